//! Conversion of a record's integers to enums.

/// Implements `TryFrom` its number for an enum. The error is the number that no variant has.
macro_rules! from_number {
    ($name:ident: $number:ty, $($variant:ident),+ $(,)?) => {
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
    use crate::{RecordKind, journey::End};

    #[test]
    fn a_number_is_its_variant_or_an_error() {
        assert_eq!(RecordKind::try_from(8), Ok(RecordKind::Window));
        assert_eq!(RecordKind::try_from(9), Err(9));
        assert_eq!(End::try_from(0), Ok(End::Expired));
        assert_eq!(End::try_from(4), Err(4));
    }
}
