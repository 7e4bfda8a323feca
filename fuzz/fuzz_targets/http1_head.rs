//! Parses any bytes as the head of a request and of a response. The result is bounded, and a
//! complete head is parsed alike with and without the bytes that follow it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracer_pipeline::http::head::{
    HOST_MAX_BYTES, Method, PATH_MAX_BYTES, RequestHead, ResponseHead, response_body,
};

fuzz_target!(|captured: &[u8]| {
    request(captured);
    response(captured);
});

fn request(captured: &[u8]) {
    let Ok(head) = RequestHead::parse(captured) else {
        return;
    };
    if let Some(path) = &head.path {
        assert!(path.len() <= PATH_MAX_BYTES);
        assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
        assert!(!path.contains(['?', '#']), "{path:?}");
    }
    if let Some(host) = &head.host {
        assert!(host.len() <= HOST_MAX_BYTES);
    }
    if let Some(head_len) = head.head_len {
        assert_eq!(
            RequestHead::parse(&captured[..head_len]).as_ref(),
            Ok(&head)
        );
    }
}

fn response(captured: &[u8]) {
    let Ok(head) = ResponseHead::parse(captured) else {
        return;
    };
    assert!(head.status <= 999);
    assert!(!(head.is_interim() && head.switches_protocol(&Method::Get)));
    for method in [Method::Get, Method::Head, Method::Connect] {
        let _ = response_body(&method, &head);
    }
    if let Some(head_len) = head.head_len {
        assert_eq!(
            ResponseHead::parse(&captured[..head_len]).as_ref(),
            Ok(&head)
        );
    }
}
