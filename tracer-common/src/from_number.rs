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
    #[repr(u8)]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Parity {
        Odd = 1,
        Even = 2,
    }

    super::from_number!(Parity: u8, Odd, Even);

    #[test]
    fn a_number_is_its_variant_or_an_error() {
        assert_eq!(Parity::try_from(1), Ok(Parity::Odd));
        assert_eq!(Parity::try_from(2), Ok(Parity::Even));
        assert_eq!(Parity::try_from(0), Err(0));
        assert_eq!(Parity::try_from(3), Err(3));
    }
}
