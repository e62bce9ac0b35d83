//! Deserializes like the deserializer beneath, but refuses fields that the type does not have, at
//! any depth, and names the field in which something is wrong.
//!
//! serde hands what a derived type does not know to `deserialize_ignored_any`; that call is the
//! refusal here. So types need no `#[serde(deny_unknown_fields)]` of their own. Where serde first
//! buffers a value (`flatten`, untagged and internally tagged enums) it does not ask, and unknown
//! fields pass.
//!
//! The crates `serde_ignored` and `serde_path_to_error` together come near this. But they take twice the
//! instructions, refuse fields of a type's own whose type is `IgnoredAny`, and do not say where in
//! the payload the field stands.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// Names of fields, as serde has them.
pub(super) type Names = &'static [&'static str];

/// Anything of serde's, and the field under which its value stands.
pub(super) struct Strict<'k, 'de, T> {
    inner: T,
    at: Option<&'k Field<'de>>,
}

/// A field that is being read.
pub(super) struct Field<'de> {
    key: Cow<'de, str>,
    /// Those of its type that are read. `None` where any key is as good as another.
    fields: Option<Names>,
    /// Those of its type that are written alone, and passed over when they come back.
    skipped: Names,
    /// The same for the type of its value.
    skipped_inside: Names,
}

impl Field<'_> {
    /// The place of a whole value. `skipped` are fields of its type that are written and not read.
    pub(super) fn root(skipped: Names) -> Self {
        Self { key: Cow::Borrowed(""), fields: None, skipped: &[], skipped_inside: skipped }
    }

    /// Whether the type has no such field. Also fields that it has may be ignored: they are of a
    /// type that takes anything.
    fn is_unknown(&self) -> bool {
        let Some(fields) = self.fields else { return false };
        let is_in = |names: Names| names.iter().any(|name| *name == self.key);
        !is_in(fields) && !is_in(self.skipped)
    }
}

impl<'k, 'de, T> Strict<'k, 'de, T> {
    pub(super) fn new(inner: T, root: &'k Field<'de>) -> Self {
        Self { inner, at: Some(root) }
    }

    fn inside(inner: T) -> Self {
        Self { inner, at: None }
    }
}

/// The visitor of a type whose fields are known.
struct OfStruct<'k, 'de, V> {
    strict: Strict<'k, 'de, V>,
    fields: Names,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for OfStruct<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.strict.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.strict.visit_seq(inner)
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let skipped = self.strict.at.map_or(&[][..], |at| at.skipped_inside);
        self.strict.inner.visit_map(Fields::new(inner, Some(self.fields), skipped))
    }
}

macro_rules! deserialize {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self $(, $arg: $type)*, visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, at } = self;
            inner.$method($($arg,)* Strict { inner: visitor, at })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, 'de, D> {
    type Error = D::Error;

    deserialize! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32()
        deserialize_i64() deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32()
        deserialize_u64() deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_enum(name: &'static str, variants: Names)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let strict = Strict { inner: visitor, at: self.at };
        self.inner.deserialize_struct(name, fields, OfStruct { strict, fields })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.at {
            Some(field) if field.is_unknown() => {
                Err(D::Error::custom(format_args!("unknown field `{}`", field.key)))
            }
            _ => self.inner.deserialize_ignored_any(visitor),
        }
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

macro_rules! visit {
    ($($method:ident: $type:ty)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_bool: bool visit_i8: i8 visit_i16: i16 visit_i32: i32 visit_i64: i64 visit_i128: i128
        visit_u8: u8 visit_u16: u16 visit_u32: u32 visit_u64: u64 visit_u128: u128 visit_f32: f32
        visit_f64: f64 visit_char: char visit_str: &str visit_borrowed_str: &'de str
        visit_string: String visit_bytes: &[u8] visit_borrowed_bytes: &'de [u8]
        visit_byte_buf: Vec<u8>
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Strict { inner, at: self.at })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Strict { inner, at: self.at })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Strict::inside(inner))
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Fields::new(inner, None, &[]))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Strict::inside(inner))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Strict { inner, at: self.at })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<'_, 'de, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(Strict::inside(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'k, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<'k, 'de, A> {
    type Error = A::Error;
    type Variant = Strict<'k, 'de, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Strict::inside(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<'_, 'de, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Strict::inside(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Strict::inside(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: Names,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let strict = Strict::inside(visitor);
        self.inner.struct_variant(fields, OfStruct { strict, fields })
    }
}

/// Says of which field an error is, if it does not say so itself.
#[cold]
fn naming<E: serde::de::Error>(key: &str, error: E) -> E {
    let (named, reason) = (format!("`{key}`"), error.to_string());
    if reason.contains(&named) || key.is_empty() || key.len() > LONGEST_NAMED {
        error
    } else {
        E::custom(format_args!("{named}: {reason}"))
    }
}

/// Longer keys, in bytes, are no names of fields.
const LONGEST_NAMED: usize = 64;

/// The fields of a map, remembering the key that was read last.
struct Fields<'de, A> {
    inner: A,
    field: Field<'de>,
}

impl<A> Fields<'_, A> {
    fn new(inner: A, fields: Option<Names>, skipped: Names) -> Self {
        let key = Cow::Borrowed("");
        Self { inner, field: Field { key, fields, skipped, skipped_inside: &[] } }
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_key_seed(KeyCapture { inner: seed, key: &mut self.field.key })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = Strict { inner: seed, at: Some(&self.field) };
        self.inner.next_value_seed(seed).map_err(|error| naming(&self.field.key, error))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// Sees a key on its way to the type.
struct KeyCapture<'k, 'de, T> {
    inner: T,
    key: &'k mut Cow<'de, str>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for KeyCapture<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(KeyCapture { inner, key: self.key })
    }
}

macro_rules! deserialize_key {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(KeyCapture { inner: visitor, key: self.key })
        }
    )*};
}

macro_rules! deserialize_other {
    ($($method:ident($($arg:ident: $type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self $(, $arg: $type)*, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method($($arg,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for KeyCapture<'_, 'de, D> {
    type Error = D::Error;

    // Only named fields are ever ignored, and their names are asked for in these ways.
    deserialize_key! { deserialize_identifier deserialize_str deserialize_string deserialize_any }

    deserialize_other! {
        deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64()
        deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char()
        deserialize_bytes() deserialize_byte_buf() deserialize_option() deserialize_unit()
        deserialize_seq() deserialize_map() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: Names)
        deserialize_enum(name: &'static str, variants: Names)
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for KeyCapture<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, key: &'de str) -> Result<V::Value, E> {
        *self.key = Cow::Borrowed(key);
        self.inner.visit_borrowed_str(key)
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<V::Value, E> {
        *self.key = Cow::Owned(key.to_owned());
        self.inner.visit_str(key)
    }

    fn visit_string<E: serde::de::Error>(self, key: String) -> Result<V::Value, E> {
        *self.key = Cow::Owned(key.clone());
        self.inner.visit_string(key)
    }

    visit! {
        visit_bool: bool visit_i64: i64 visit_i128: i128 visit_u64: u64 visit_u128: u128
        visit_f64: f64 visit_char: char visit_bytes: &[u8] visit_borrowed_bytes: &'de [u8]
        visit_byte_buf: Vec<u8>
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        choice: Option<Choice>,
        #[serde(default)]
        counts: HashMap<u32, Inner>,
        #[serde(default)]
        free: serde_json::Value,
        #[serde(default)]
        ignored: Option<Any>,
        #[serde(default)]
        all_ignored: HashMap<String, Option<Any>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Any(serde::de::IgnoredAny);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        x: i32,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    enum Choice {
        Unit,
        Struct { a: bool },
        New(Inner),
        Tuple(u8, u8),
    }

    fn read(json: &str) -> Result<Outer, String> {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let root = Field::root(&["written"]);
        Outer::deserialize(Strict::new(&mut deserializer, &root)).map_err(|error| error.to_string())
    }

    #[test]
    fn known_fields_of_every_shape_are_read() {
        for json in [
            r#"{"name": "n"}"#,
            r#"{"name": "n\n", "inner": [{"x": 1}, {"x": 2}], "counts": {"7": {"x": 1}}}"#,
            r#"{"name": "n", "choice": "Unit", "free": {"any": ["thing", {"goes": 1}]}}"#,
            r#"{"name": "n", "choice": {"Struct": {"a": true}}}"#,
            r#"{"name": "n", "choice": {"New": {"x": 1}}, "free": 7}"#,
            r#"{"name": "n", "choice": {"Tuple": [1, 2]}}"#,
            r#"{"name": "n", "ignored": {"any": 1}, "all_ignored": {"a": 1, "b": [{"c": 2}]}}"#,
            r#"{"name": "n", "written": {"any": 1}}"#,
        ] {
            assert_eq!(read(json), serde_json::from_str(json).map_err(|e| e.to_string()), "{json}");
        }
    }

    #[test]
    fn an_error_names_the_field_and_those_it_is_in_and_says_where_once() {
        for (json, expected) in [
            (r#"{"name": 7}"#, "`name`: invalid type: integer `7`, expected a string"),
            (
                r#"{"name": "n", "inner": [{"x": 1}, {"x": "y"}]}"#,
                "`inner`: `x`: invalid type: string \"y\", expected i32",
            ),
            (r#"{"name": "n", "choice": {"New": {}}}"#, "`choice`: missing field `x`"),
            (r#"{"name": "n", "counts": {"7": {"x": true}}}"#, "`counts`: `x`: invalid type"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert_eq!(error.matches(" at line 1 column ").count(), 1, "{error}");
        }
    }

    #[test]
    fn an_unknown_field_is_named_at_any_depth() {
        for json in [
            r#"{"name": "n", "bogus": 1}"#,
            r#"{"bogus": {"a": []}, "name": "n"}"#,
            r#"{"name": "n", "inner": [{"x": 1}, {"x": 2, "bogus": null}]}"#,
            r#"{"name": "n", "counts": {"7": {"x": 1, "bogus": 1}}}"#,
            r#"{"name": "n", "choice": {"Struct": {"a": true, "bogus": 1}}}"#,
            r#"{"name": "n", "choice": {"New": {"x": 1, "bogus": 1}}}"#,
            r#"{"name": "n", "b\u006fgus": 1}"#,
            r#"{"name": "n", "inner": [{"x": 1, "bogus": {"written": 1}}]}"#,
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains("unknown field `bogus`"), "{json}: {error}");
            assert_eq!(error.matches("bogus").count(), 1, "{json}: {error}");
        }
    }
}
