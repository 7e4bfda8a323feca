//! Values of attributes to text and back.

use tracer_semconv::{HopName, Role, Side, UnknownValue, attribute};

#[test]
fn each_value_is_parsed_as_it_is_written() {
    for &role in Role::ALL {
        assert_eq!(role.to_string().parse(), Ok(role));
    }
    for &hop in HopName::ALL {
        assert_eq!(hop.to_string().parse(), Ok(hop));
    }
    for &side in Side::ALL {
        assert_eq!(side.to_string().parse(), Ok(side));
    }
}

#[test]
fn another_text_is_refused() {
    let refused = UnknownValue {
        key: attribute::ROLE,
    };
    for text in ["", "Hop", "hop ", "veth"] {
        assert_eq!(text.parse::<Role>(), Err(refused), "{text:?}");
    }
    assert_eq!(refused.to_string(), "not a value of hopspan.role");
}
