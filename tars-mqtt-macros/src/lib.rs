//! The procedural macros of `tars-mqtt`, which re-exports them.
//!
//! Each macro goes the same way: its attribute is parsed (`attr.rs`), joined with the item it
//! stands on to a tree of what was meant (`ast.rs`), everything wrong with that is refused where
//! it is written (`valid.rs`), and the rest is printed as code (`expand.rs`).

mod duration;
mod errors;
mod event;
mod fields;
mod krate;
mod main_fn;
mod nearest;
mod options;
mod signature;
mod subscribe;
mod value;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/event.md")]
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    event::derive(input.into()).into()
}

#[doc = include_str!("../docs/subscribe.md")]
#[proc_macro_attribute]
pub fn subscribe(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = arguments.into();
    let path = krate::said(&arguments);
    krate::resolve(subscribe::subscribe(arguments, &item.into()), path).into()
}

#[doc = include_str!("../docs/main.md")]
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let arguments = arguments.into();
    let path = krate::said(&arguments);
    krate::resolve(main_fn::main(arguments, &item.into()), path).into()
}
