//! Serializes like the serializer beneath, but refuses numbers that JSON does not have: `serde_json`
//! writes NaN and infinities as `null`, which no number can be read from.

use std::fmt::Display;

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Anything of serde's, and the field under which its value stands.
pub(super) struct Finite<T> {
    inner: T,
    field: &'static str,
}

impl<T> Finite<T> {
    pub(super) fn new(inner: T) -> Self {
        Self { inner, field: "" }
    }

    fn at(inner: T, field: &'static str) -> Self {
        Self { inner, field }
    }
}

#[cold]
fn refusal<E: serde::ser::Error>(value: f64, field: &str) -> E {
    if field.is_empty() {
        E::custom(format_args!("JSON has no number {value}; write an Option, or another number"))
    } else {
        E::custom(format_args!(
            "`{field}` is {value}, which is no number in JSON; write an Option, or another number"
        ))
    }
}

/// A value on its way to a serializer.
impl<T: Serialize + ?Sized> Serialize for Finite<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(Finite::at(serializer, self.field))
    }
}

macro_rules! forward {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        }
    )*};
}

impl<S: Serializer> Serializer for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Finite<S::SerializeSeq>;
    type SerializeTuple = Finite<S::SerializeTuple>;
    type SerializeTupleStruct = Finite<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Finite<S::SerializeTupleVariant>;
    type SerializeMap = Finite<S::SerializeMap>;
    type SerializeStruct = Finite<S::SerializeStruct>;
    type SerializeStructVariant = Finite<S::SerializeStructVariant>;

    forward! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32)
        serialize_i64(i64) serialize_i128(i128) serialize_u8(u8) serialize_u16(u16)
        serialize_u32(u32) serialize_u64(u64) serialize_u128(u128) serialize_char(char)
        serialize_str(&str) serialize_bytes(&[u8]) serialize_unit_struct(&'static str)
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if !value.is_finite() {
            return Err(refusal(value.into(), self.field));
        }
        self.inner.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if !value.is_finite() {
            return Err(refusal(value, self.field));
        }
        self.inner.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&Finite::at(value, self.field))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Finite::at(value, self.field))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let value = Finite::at(value, variant);
        self.inner.serialize_newtype_variant(name, index, variant, &value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Finite::at(self.inner.serialize_seq(len)?, self.field))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Finite::at(self.inner.serialize_tuple(len)?, self.field))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(Finite::at(self.inner.serialize_tuple_struct(name, len)?, self.field))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        let inner = self.inner.serialize_tuple_variant(name, index, variant, len)?;
        Ok(Finite::at(inner, variant))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Finite::at(self.inner.serialize_map(len)?, self.field))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        Ok(Finite::at(self.inner.serialize_struct(name, len)?, self.field))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let inner = self.inner.serialize_struct_variant(name, index, variant, len)?;
        Ok(Finite::at(inner, variant))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident)*) => {$(
        impl<S: $trait> $trait for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.inner.$method(&Finite::at(value, self.field))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element SerializeTuple::serialize_element
    SerializeTupleStruct::serialize_field SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($trait:ident)*) => {$(
        impl<S: $trait> $trait for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), S::Error> {
                self.inner.serialize_field(key, &Finite::at(value, key))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.inner.end()
            }
        }
    )*};
}

fields! { SerializeStruct SerializeStructVariant }

impl<S: SerializeMap> SerializeMap for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&Finite::at(value, self.field))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::value::RawValue;

    use super::*;

    #[derive(Default, serde::Serialize)]
    struct Outer {
        number: f64,
        small: f32,
        maybe: Option<f64>,
        many: Vec<f64>,
        map: BTreeMap<u8, f64>,
        pair: (u8, f32),
        #[serde(skip_serializing_if = "Option::is_none")]
        inner: Option<Box<Outer>>,
        choice: Choice,
        #[serde(skip_serializing_if = "Option::is_none")]
        flat: Option<Flat>,
        raw: Option<Box<RawValue>>,
    }

    #[derive(serde::Serialize)]
    struct Flat {
        #[serde(flatten)]
        rest: BTreeMap<String, f64>,
    }

    #[derive(Default, serde::Serialize)]
    enum Choice {
        #[default]
        Unit,
        New(f64),
        Tuple(u8, f64),
        Struct {
            x: f64,
        },
    }

    fn flat(value: f64) -> Flat {
        Flat { rest: BTreeMap::from([("more".to_owned(), value)]) }
    }

    fn written(value: &Outer) -> Result<String, String> {
        let mut json = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut json);
        value.serialize(Finite::new(&mut serializer)).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(json).unwrap())
    }

    #[test]
    fn what_is_a_number_is_written_as_ever() {
        let raw = Some(RawValue::from_string(r#"{"a": [1e3]}"#.to_owned()).unwrap());
        let values =
            [Choice::Unit, Choice::New(1.5), Choice::Tuple(1, 2.5), Choice::Struct { x: 1.0 }];
        for choice in values {
            let outer = Outer {
                number: 0.1,
                small: 0.1,
                maybe: Some(f64::MAX),
                many: vec![1.0, -0.0],
                map: BTreeMap::from([(7, 1.5)]),
                inner: Some(Box::default()),
                choice,
                flat: Some(flat(1.0)),
                raw: raw.clone(),
                ..Outer::default()
            };
            assert_eq!(written(&outer).unwrap(), serde_json::to_string(&outer).unwrap());
        }
    }

    #[test]
    fn what_is_no_number_is_refused_wherever_it_stands() {
        let nan = f64::NAN;
        let outers = [
            ("number", Outer { number: nan, ..Outer::default() }),
            ("number", Outer { number: f64::NEG_INFINITY, ..Outer::default() }),
            ("small", Outer { small: f32::INFINITY, ..Outer::default() }),
            ("maybe", Outer { maybe: Some(nan), ..Outer::default() }),
            ("many", Outer { many: vec![1.0, nan], ..Outer::default() }),
            ("map", Outer { map: BTreeMap::from([(1, nan)]), ..Outer::default() }),
            ("pair", Outer { pair: (1, f32::NAN), ..Outer::default() }),
            ("New", Outer { choice: Choice::New(nan), ..Outer::default() }),
            ("Tuple", Outer { choice: Choice::Tuple(1, nan), ..Outer::default() }),
            ("x", Outer { choice: Choice::Struct { x: nan }, ..Outer::default() }),
            ("flat", Outer { flat: Some(flat(nan)), ..Outer::default() }),
        ];
        for (field, outer) in outers {
            let error = written(&outer).unwrap_err();
            assert!(error.contains("write an Option, or another number"), "{error}");
            assert!(error.starts_with(&format!("`{field}` is ")), "{error}");
            let inside = Outer { inner: Some(Box::new(outer)), ..Outer::default() };
            assert!(written(&inside).is_err(), "{field}");
        }
    }
}
