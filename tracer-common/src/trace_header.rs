//! The list of request headers that carry a trace context, by format.
//!
//! The kernel's scan of HTTP/1 heads, the agent's reader of trace contexts and its filter of HTTP/2
//! fields recognise header names by this list alone. A header that is added here
//! - is matched by the kernel's scan ([`crate::http1::scan::line`]), which is generated from the
//!   list and acts by the header's [`KernelScan`],
//! - is kept by the HTTP/2 filter,
//! - does not compile until the agent's reader has a branch for it, and a format until its context
//!   has a reader and its tests have a head.
//!
//! A test of the agent's reader runs the scan over a sampled head of each format: the scan must
//! follow the request.

/// What the kernel's scan of an HTTP/1 head does with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelScan {
    /// Reads it as a `traceparent`: version 00 decides on sampling.
    Traceparent,
    /// Reads it as the single header of B3: its `0` decides against a trace.
    B3,
    /// Does not read it, because its format has no fixed shape: the request is followed, and user
    /// space decides.
    Unclear,
    /// Skips it, because it names no trace and carries no decision.
    Skip,
}

/// Defines [`TraceFormat`], [`TraceHeader`] and [`KernelScan::of_line`]. A header is
/// `Variant: "name in lower case" => KernelScan`.
macro_rules! trace_headers {
    ($(
        $(#[$doc:meta])*
        $format:ident { $($header:ident: $name:literal => $scan:ident,)+ }
    )+) => {
        /// A format of trace contexts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TraceFormat {
            $($(#[$doc])* $format,)+
        }

        impl TraceFormat {
            /// Every format, in the order of their precedence.
            pub const ALL: [Self; [$(stringify!($format)),+].len()] = [$(Self::$format),+];
        }

        /// A request header that belongs to a trace context.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum TraceHeader {
            $($(
                #[doc = concat!("`", $name, "`")]
                $header,
            )+)+
        }

        impl TraceHeader {
            /// Every header, by format.
            pub const ALL: [Self; [$($($name),+),+].len()] = [$($(Self::$header),+),+];

            /// The name in lower case.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$header => $name,)+)+
                }
            }

            /// The format that defines the header.
            pub const fn format(self) -> TraceFormat {
                match self {
                    $($(Self::$header => TraceFormat::$format,)+)+
                }
            }

            /// What the kernel's scan does with the header.
            pub const fn kernel_scan(self) -> KernelScan {
                match self {
                    $($(Self::$header => KernelScan::$scan,)+)+
                }
            }
        }

        impl KernelScan {
            /// What is done with a line, by its first eight bytes in memory order and in lower
            /// case. No loop: the eBPF verifier sees one comparison for each header.
            #[inline(always)]
            pub const fn of_line(first: u64) -> Self {
                $($(
                    if !matches!(Self::$scan, Self::Skip)
                        && first & const { first_bytes($name).mask }
                            == const { first_bytes($name).word }
                    {
                        return Self::$scan;
                    }
                )+)+
                Self::Skip
            }
        }
    };
}

trace_headers! {
    /// W3C Trace Context (<https://www.w3.org/TR/trace-context-2/>).
    W3c {
        Traceparent: "traceparent" => Traceparent,
        Tracestate: "tracestate" => Skip,
    }
    /// B3 of Zipkin (<https://github.com/openzipkin/b3-propagation>), single and multiple headers.
    B3 {
        B3: "b3" => B3,
        B3TraceId: "x-b3-traceid" => Unclear,
        B3SpanId: "x-b3-spanid" => Unclear,
        B3Sampled: "x-b3-sampled" => Unclear,
        B3Flags: "x-b3-flags" => Unclear,
    }
    /// Jaeger (<https://www.jaegertracing.io/sdk-migration/#propagation-format>).
    Jaeger {
        UberTraceId: "uber-trace-id" => Unclear,
    }
    /// AWS X-Ray
    /// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>).
    XRay {
        AmznTraceId: "x-amzn-trace-id" => Unclear,
    }
}

impl TraceHeader {
    /// The header of this name, in any letter case.
    pub fn find(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|header| header.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// The first bytes of a header line.
struct FirstBytes {
    /// At most eight bytes in memory order; the others are zero.
    word: u64,
    /// All bits of those bytes.
    mask: u64,
}

/// The first bytes of `name` and the colon after it.
const fn first_bytes(name: &str) -> FirstBytes {
    let name = name.as_bytes();
    let mut bytes = [0; 8];
    let mut mask = [0; 8];
    let mut index = 0;
    while index < 8 && index <= name.len() {
        bytes[index] = if index < name.len() {
            name[index]
        } else {
            b':'
        };
        // The scan sets this bit in every byte, which makes letters lower case.
        assert!(bytes[index] & 0x20 != 0, "not in lower case");
        mask[index] = 0xff;
        index += 1;
    }
    FirstBytes {
        word: u64::from_ne_bytes(bytes),
        mask: u64::from_ne_bytes(mask),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_found_by_its_name_in_any_letter_case() {
        for header in TraceHeader::ALL {
            let name = header.name();
            assert_eq!(TraceHeader::find(name.as_bytes()), Some(header), "{name}");
            let mut upper = [0; 64];
            let upper = &mut upper[..name.len()];
            upper.copy_from_slice(name.as_bytes());
            upper.make_ascii_uppercase();
            assert_eq!(TraceHeader::find(upper), Some(header), "{name}");
            assert_eq!(TraceHeader::find(&upper[1..]), None, "{name}");
        }
        assert_eq!(TraceHeader::find(b""), None);
        assert_eq!(TraceHeader::find(b"host"), None);
    }

    #[test]
    fn every_format_has_a_header_that_the_kernel_scan_does_not_skip() {
        for format in TraceFormat::ALL {
            let mut headers = TraceHeader::ALL
                .into_iter()
                .filter(|header| header.format() == format);
            let is_scanned = headers.any(|header| header.kernel_scan() != KernelScan::Skip);
            assert!(is_scanned, "{format:?}");
        }
    }
}
