//! Conversion of a record's integers to enums.

/// Implements `TryFrom` its number and the constant `ALL` for an enum. The error is the number that no
/// variant has.
macro_rules! from_number {
    ($name:ident: $number:ty, $($variant:ident),+ $(,)?) => {
        impl $name {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }

        impl TryFrom<$number> for $name {
            type Error = $number;

            fn try_from(value: $number) -> Result<Self, $number> {
                $(
                    if value == Self::$variant as $number {
                        return Ok(Self::$variant);
                    }
                )+
                Err(value)
            }
        }

        // Does not compile unless every variant is listed.
        const _: fn($name) = |value| match value {
            $($name::$variant => (),)+
        };
    };
}
pub(crate) use from_number;

#[cfg(test)]
mod tests {
    use crate::message::Message;

    #[test]
    fn a_number_is_its_variant_or_an_error() {
        for message in Message::ALL {
            assert_eq!(Message::try_from(*message as u8), Ok(*message));
        }
        assert_eq!(Message::try_from(0), Err(0));
        assert_eq!(Message::try_from(7), Err(7));
    }
}
