use quote::quote;
use syn::{DeriveInput, parse_quote};

use super::{derive, event};

/// The errors that a derive input has, in order.
fn errors(input: &DeriveInput) -> Vec<String> {
    let Err(errors) = event(input) else { return Vec::new() };
    errors.into_iter().map(|error| error.to_string()).collect()
}

#[test]
fn everything_has_a_default() {
    let input: DeriveInput = parse_quote!(
        struct LlmRequest {
            id: String,
        }
    );
    let event = event(&input).unwrap();
    assert_eq!((event.type_name.as_str(), event.topic.as_str()), ("llm.request", "llm/request"));
    let code = derive(quote!(#input)).to_string();
    assert!(!code.contains("QOS") && !code.contains("fn topic"), "{code}");
}

#[test]
fn what_is_written_wins_in_any_order() {
    let input: DeriveInput = parse_quote!(
        #[event("reading", bare)]
        #[event(retain = true, topic = "sensors/{room}/{r#type}", qos = 2)]
        struct Reading<'a, T> {
            room: &'a T,
            r#type: String,
        }
    );
    // `r#` never stands in a topic.
    assert_eq!(errors(&input).len(), 1);
    let input: DeriveInput = parse_quote!(
        #[event("reading", bare)]
        #[event(retain = true, topic = "sensors/{room}/{type}", qos = 2)]
        struct Reading<'a, T> {
            room: &'a T,
            r#type: String,
        }
    );
    let event = event(&input).unwrap();
    assert_eq!(event.type_name, "reading");
    assert_eq!((event.qos, event.retain, event.bare), (Some(2), true, true));
    assert_eq!(event.fields.len(), 2);
    let code = derive(quote!(#input)).to_string();
    assert!(code.contains("& 'a T : :: core :: fmt :: Display"), "{code}");
    assert!(!code.contains("String : :: core"), "{code}");
}

#[test]
fn a_derived_topic_is_checked_too() {
    assert_eq!(
        errors(&parse_quote!(
            struct __ {}
        )),
        ["the name `__` makes no event type; write one: #[event(\"some.type\")]"]
    );
}

#[test]
fn a_type_that_cannot_be_a_topic_is_refused() {
    for text in ["", "a/b", "a b", "a+", "#", "{a}", "a\0", "$share"] {
        let errors = errors(&parse_quote!(
            #[event(#text)]
            struct A {}
        ));
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains("`llm.request`"), "{text}: {errors:?}");
    }
}

#[test]
fn a_topic_on_which_nothing_can_be_published_is_refused() {
    for (topic, expected) in [
        ("", "cannot be empty"),
        ("a/+", "wildcard `+`"),
        ("a/#", "wildcard `#`"),
        ("a\0", "U+0000"),
        ("a/{b..}", "write `{b}`"),
        ("a/x{b}", "takes a whole level"),
        ("a/{b", "takes a whole level"),
        ("a/{1}", "cannot be a field"),
        ("{b}/{b}", "twice"),
        ("$share/g/a", "$share"),
    ] {
        let errors = errors(&parse_quote!(
            #[event(topic = #topic)]
            struct A {
                b: String,
            }
        ));
        assert_eq!(errors.len(), 1, "{topic}: {errors:?}");
        assert!(errors[0].contains(expected), "{topic}: {errors:?}");
    }
}

#[test]
fn a_level_without_its_field_is_refused() {
    assert_eq!(
        errors(&parse_quote!(
            #[event(topic = "a/{rom}/{colour}")]
            struct A {
                room: String,
                seq: u32,
            }
        )),
        [
            "`A` has no field `rom`; write `{room}`",
            "`A` has no field `colour`; it has `room` and `seq`",
        ]
    );
    assert_eq!(
        errors(&parse_quote!(
            #[event(topic = "a/{x}")]
            struct A {}
        )),
        ["`A` has no field `x`, and no other one; add it, or spell the level out"]
    );
    for input in [
        parse_quote!(
            #[event(topic = "a/{x}")]
            enum A {
                B { x: u8 },
            }
        ),
        parse_quote!(
            #[event(topic = "a/{x}")]
            struct A(String);
        ),
    ] {
        let errors = errors(&input);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("named field"), "{errors:?}");
    }
}

#[test]
fn a_shape_that_is_no_json_object_is_refused_unless_bare() {
    assert_eq!(
        errors(&parse_quote!(
            struct A;
        ))
        .len(),
        1
    );
    assert_eq!(
        errors(&parse_quote!(
            struct A();
        ))
        .len(),
        1
    );
    assert_eq!(
        errors(&parse_quote!(
            struct A(u8, u8);
        ))
        .len(),
        1
    );
    assert_eq!(errors(&parse_quote!(union A { a: u8 })).len(), 1);
    assert!(
        errors(&parse_quote!(
            #[event(bare)]
            struct A;
        ))
        .is_empty()
    );
    assert!(
        errors(&parse_quote!(
            #[event(bare)]
            struct A(u8, u8);
        ))
        .is_empty()
    );
    assert!(
        errors(&parse_quote!(
            struct A(B);
        ))
        .is_empty()
    );
    assert!(
        errors(&parse_quote!(
            enum A {
                B { c: u8 },
            }
        ))
        .is_empty()
    );
}

#[test]
fn options_are_refused_one_by_one() {
    let errors = errors(&parse_quote!(
        #[event("a", qos = 3, topc = "x", retain)]
        #[event("b", retain, retian)]
        struct A {}
    ));
    assert_eq!(
        errors,
        [
            "the type is set twice; remove one",
            "there is no option `topc`; write `topic`",
            "`retain` is set twice; remove one",
            "there is no option `retian`; write `retain`",
            "3 is out of range; write `qos = N` with N from 0 to 2",
        ]
    );
}

#[test]
fn an_attribute_in_another_form_or_place_is_refused() {
    for input in [
        parse_quote!(
            #[event = "a"]
            struct A {}
        ),
        parse_quote!(
            #[event(a::B)]
            struct A {}
        ),
        parse_quote!(
            #[event(type = "a")]
            struct A {}
        ),
        parse_quote!(
            struct A {
                #[event(bare)]
                b: u8,
            }
        ),
        parse_quote!(
            enum A {
                #[event("b")]
                B { c: u8 },
            }
        ),
    ] {
        let errors = errors(&input);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("#[event"), "{errors:?}");
    }
    assert!(
        errors(&parse_quote!(
            #[event]
            struct A {}
        ))
        .is_empty()
    );
}
