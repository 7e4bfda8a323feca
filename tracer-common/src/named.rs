//! Names of enums that index the counters.

/// Gives an enum the array of its variants and their names.
macro_rules! named {
    ($name:ident, $($variant:ident: $text:literal),+ $(,)?) => {
        impl $name {
            /// Every variant, in the order of their numbers.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// The name in reports and errors.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        const _: () = {
            let mut index = 0;
            while index < $name::ALL.len() {
                assert!($name::ALL[index] as usize == index);
                index += 1;
            }
        };
    };
}
pub(crate) use named;
