use syn::{Attribute, Data, Fields, Generics, Ident, Type};

use crate::errors::Errors;

/// An event, with everything that is not written filled in.
pub(super) struct Event<'a> {
    pub(super) ident: &'a Ident,
    pub(super) generics: &'a Generics,
    pub(super) type_name: String,
    pub(super) topic: String,
    pub(super) qos: Option<u64>,
    pub(super) retain: bool,
    pub(super) bare: bool,
    /// Names of fields that are written and not read.
    pub(super) written_alone: Vec<String>,
    /// Those that stand in the topic.
    pub(super) fields: Vec<Field<'a>>,
}

#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) ident: &'a Ident,
    pub(super) ty: &'a Type,
}

/// How an event's data lie in it.
pub(super) enum Shape<'a> {
    Named(Vec<Field<'a>>),
    Tuple(&'a syn::FieldsUnnamed),
    Unit,
    Other,
}

impl<'a> Shape<'a> {
    pub(super) fn of(data: &'a Data, errors: &mut Errors) -> Self {
        match data {
            Data::Struct(data) => {
                for field in &data.fields {
                    refuse_attribute(&field.attrs, errors);
                }
                match &data.fields {
                    Fields::Named(fields) => Self::Named(
                        fields
                            .named
                            .iter()
                            .filter_map(|field| Some((field.ident.as_ref()?, &field.ty)))
                            .map(|(ident, ty)| Field { ident, ty })
                            .collect(),
                    ),
                    Fields::Unnamed(fields) => Self::Tuple(fields),
                    Fields::Unit => Self::Unit,
                }
            }
            Data::Enum(data) => {
                for variant in &data.variants {
                    refuse_attribute(&variant.attrs, errors);
                    for field in &variant.fields {
                        refuse_attribute(&field.attrs, errors);
                    }
                }
                Self::Other
            }
            Data::Union(data) => {
                errors.at(
                    data.union_token,
                    "a union cannot be an event, since serde cannot write it; \
                     write a struct or an enum",
                );
                Self::Other
            }
        }
    }
}

fn refuse_attribute(attributes: &[Attribute], errors: &mut Errors) {
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("event")) {
        errors.at(attribute, "#[event] says nothing here; write it above the whole type");
    }
}
