//! The bounds of all numbers that have some. A field names its own in `deserialize_with`, so that what
//! is out of bounds is refused with the name of the field.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Number;

const ANY: f64 = f64::INFINITY;

/// Fields that are numbers.
macro_rules! numbers {
    ($($name:ident($field:literal): $type:ty = $bounds:expr;)*) => {$(
        pub(super) fn $name<'de, D: Deserializer<'de>>(value: D) -> Result<$type, D::Error> {
            <$type as Bounded>::read($field, $bounds, value)
        }
    )*};
}

numbers! {
    confidence("confidence"): Option<f64> = 0.0..=1.0;
    energy("energy"): Option<f64> = 0.0..=ANY;
    sample_rate("sample_rate"): u32 = 1.0..=ANY;
    ttl_ms("ttl_ms"): Option<u64> = 0.0..=ANY;
    top_k("top_k"): u32 = 1.0..=50.0;
    max_tokens("max_tokens"): Option<u32> = 1.0..=10_000.0;
    context_window("context_window"): u32 = 0.0..=5.0;
    trait_value("value"): u8 = 0.0..=100.0;
    speed("speed"): f64 = 0.1..=1.0;
    quality("quality"): u8 = 1.0..=100.0;
    wanted_width("width"): Option<u32> = 1.0..=ANY;
    wanted_height("height"): Option<u32> = 1.0..=ANY;
    image_width("width"): u32 = 0.0..=ANY;
    image_height("height"): u32 = 0.0..=ANY;
    size_bytes("size_bytes"): u64 = 0.0..=ANY;
    frame_width("width"): u32 = 1.0..=ANY;
    frame_height("height"): u32 = 1.0..=ANY;
    frame_number("frame_number"): u64 = 0.0..=ANY;
    fps("fps"): Option<f64> = 0.0..=ANY;
}

/// A number, or a number that may be missing.
trait Bounded: Sized {
    fn read<'de, D: Deserializer<'de>>(
        field: &str,
        bounds: RangeInclusive<f64>,
        value: D,
    ) -> Result<Self, D::Error>;
}

macro_rules! bounded {
    ($($type:ty)*) => {$(
        impl Bounded for $type {
            fn read<'de, D: Deserializer<'de>>(
                field: &str,
                bounds: RangeInclusive<f64>,
                value: D,
            ) -> Result<Self, D::Error> {
                let found = Number::deserialize(value)?;
                check(field, &bounds, &found)
            }
        }
    )*};
}

bounded! { f64 u8 u32 u64 }

impl<T: DeserializeOwned> Bounded for Option<T> {
    fn read<'de, D: Deserializer<'de>>(
        field: &str,
        bounds: RangeInclusive<f64>,
        value: D,
    ) -> Result<Self, D::Error> {
        let found = Option::<Number>::deserialize(value)?;
        found.map(|found| check(field, &bounds, &found)).transpose()
    }
}

fn check<T: DeserializeOwned, E: Error>(
    field: &str,
    bounds: &RangeInclusive<f64>,
    found: &Number,
) -> Result<T, E> {
    let is_within = found.as_f64().is_some_and(|number| bounds.contains(&number));
    let must = match T::deserialize(found) {
        Ok(number) if is_within => return Ok(number),
        Err(_) if is_within => "must be a whole number",
        _ => "must be",
    };
    let (lowest, highest) = (bounds.start(), bounds.end());
    Err(E::custom(if highest.is_finite() {
        format!("`{field}` is {found}, and {must} from {lowest} to {highest}")
    } else {
        format!("`{field}` is {found}, and {must} of at least {lowest}")
    }))
}
