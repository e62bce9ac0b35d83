use proc_macro2::TokenStream;
use quote::quote;

use super::handler;
use crate::signature::Function;

fn errors(arguments: &str, item: &str) -> Vec<String> {
    let arguments: TokenStream = arguments.parse().unwrap();
    let function: Function = syn::parse_str(item).unwrap();
    let Err(errors) = handler(arguments, &function) else { return Vec::new() };
    errors.into_iter().map(|error| error.to_string()).collect()
}

fn option_errors(options: &str) -> Vec<String> {
    errors(&format!("\"a/b\", {options}"), "async fn f(a: A) {}")
}

fn code(arguments: &str, item: &str) -> String {
    let item: TokenStream = item.parse().unwrap();
    super::subscribe(arguments.parse().unwrap(), &item).to_string()
}

#[test]
fn every_good_form_is_taken() {
    for (arguments, item) in [
        ("", "async fn a(request: LlmRequest) {}"),
        (r#""a/b""#, "async fn a() {}"),
        (r#""a/{room}/b", qos = 1"#, "async fn b(mut room: String, reading: Temperature) {}"),
        (r#""a/{type}""#, "async fn b(r#type: u32) {}"),
        (r#""logs/{path..}""#, "pub(crate) async fn c(path: String, line: Bytes) {}"),
        (
            r#""llm/request", concurrency = 8, queue = 256, overflow = "drop_oldest",
               timeout = "30s", retry = 3, backoff = "100ms..5s", dead_letter = "dead/llm",
               ack = "on_receive", group = "workers", accept_bare"#,
            "async fn d(State(db): State<Db>, Json(x): Json<T>, _: Context) -> Result<A, B> {}",
        ),
        (r#""a", timeout = "off", accept_bare = true"#, "async fn e(a: A) -> impl Reply {}"),
    ] {
        assert!(errors(arguments, item).is_empty(), "{:?}", errors(arguments, item));
    }
}

#[test]
fn a_filter_that_mqtt_forbids_is_refused() {
    for (filter, expected) in [
        (r#""""#, "cannot be empty"),
        (r#""a+/b""#, "a wildcard takes a whole level"),
        (r##""#/a""##, "must be the last level"),
        (r#""a/x{b}""#, "a parameter takes a whole level"),
        (r#""$share/g/a""#, "group = \"name\""),
        ("concat!(\"a\")", "the filter is a text"),
        ("TOPIC", "the filter is written out"),
        ("topic = \"a\"", "write #[subscribe(\"a\")]"),
    ] {
        let errors = errors(filter, "async fn f(a: A) {}");
        assert_eq!(errors.len(), 1, "{filter}: {errors:?}");
        assert!(errors[0].contains(expected), "{filter}: {errors:?}");
    }
}

#[test]
fn a_level_without_its_argument_is_refused() {
    for (filter, item, expected) in [
        (
            r#""a/{room}""#,
            "async fn f() {}",
            "there is no argument for `{room}`; add one, `room: String`, or write `+` to ignore what stands there",
        ),
        (
            r#""a/{room}""#,
            "async fn f(_room: String) {}",
            "there is no argument for `{room}`; rename the argument `_room` to `room`, \
             or write `+` to ignore what stands there",
        ),
        (
            r#""a/{room..}""#,
            "async fn f(State(room): State<Room>) {}",
            "there is no argument for `{room..}`; add one, `room: String`, \
             or write `#` to ignore what stands there",
        ),
    ] {
        assert_eq!(errors(filter, item), [expected]);
    }
}

#[test]
fn an_argument_that_only_a_level_can_fill_is_refused_without_one() {
    for (filter, item, expected) in [
        (
            r#""a/b""#,
            "async fn f(count: u32) {}",
            "there is no `{count}` in the filter for the argument `count`; \
             write it there as a level",
        ),
        (
            "",
            "async fn f(count: std::net::IpAddr) {}",
            "`count: std::net::IpAddr` can only be a part of the topic; write the filter, \
             with `{count}` as a level: #[subscribe(\"topic/{count}\")]",
        ),
        (
            r#""a/b""#,
            "async fn f(_: bool) {}",
            "`bool` can only be a part of the topic; give the argument a name, \
             and write `{name}` as a level of the filter",
        ),
    ] {
        assert_eq!(errors(filter, item), [expected]);
    }
}

#[test]
fn a_wrong_value_is_refused() {
    for (option, expected) in [
        ("qos = 3", "with N from 0 to 2"),
        ("concurrency = 0", "with N from 1 to 1024"),
        ("concurrency = \"8\"", "write `concurrency = 8`"),
        ("queue = 1_000_001", "with N from 1 to 1000000"),
        ("overflow = \"oldest\"", "there are `drop_oldest` and `drop_new`"),
        ("timeout = 30", "write `timeout = \"30s\"`"),
        ("timeout = \"30\"", "`30` is not a duration"),
        ("retry = 1001", "with N from 0 to 1000"),
        ("retry = 1, backoff = \"1s\"", "from the shortest pause to the longest"),
        ("retry = 1, backoff = \"5s..1s\"", "write `backoff = \"1s..5s\"`"),
        ("retry = 1, backoff = \"0s..1s\"", "no time at all"),
        ("backoff = \"1s..5s\"", "add `retry = 3`"),
        ("dead_letter = \"dead/+\"", "wildcard `+`"),
        ("dead_letter = \"dead/{x}\"", "has no parameters"),
        ("dead_letter = \"a/b\"", "would come back to this handler"),
        ("ack = \"on_recieve\"", "write `ack = \"on_receive\"`"),
        ("group = \"a/b\"", "one level of a topic"),
        ("group = \"\"", "one level of a topic"),
        ("accept_bare = 1", "on or off"),
        ("concurency = 1", "write `concurrency`"),
        ("qos = 1, qos = 2", "`qos` is set twice"),
        ("qos", "`qos` needs a value"),
    ] {
        let errors = option_errors(option);
        assert_eq!(errors.len(), 1, "{option}: {errors:?}");
        assert!(errors[0].contains(expected), "{option}: {errors:?}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let errors = errors(
        r#""a/{x}", qos = 3, colour = 1, backoff = "1s..2s""#,
        "fn f(&self, count: u8, text: &str) {}",
    );
    assert_eq!(errors.len(), 8, "{errors:?}");
}

#[test]
fn something_must_name_the_topic() {
    assert!(errors("", "async fn f() {}")[0].contains("#[subscribe(\"topic\")]"));
}

#[test]
fn a_conditional_argument_is_refused() {
    assert_eq!(errors("\"a\"", "async fn f(#[cfg(x)] a: A) {}").len(), 1);
    assert!(errors("\"a\"", "async fn f(#[allow(x)] a: A) {}").is_empty());
}

#[test]
fn the_function_stays_as_it_is() {
    let item = "/// Docs.\npub async fn f(Json(a): Json<A>) -> B { whatever ! [ ] }";
    let tokens: TokenStream = item.parse().unwrap();
    assert!(code("\"a\"", item).contains(&tokens.to_string()));
    // Also where it is refused.
    assert!(code("\"+a\"", item).contains(&tokens.to_string()));
}

#[test]
fn only_what_is_written_is_set() {
    let code = code("\"a\", retry = 0, timeout = \"off\"", "async fn f(a: A) {}");
    let options = quote!(::tars_mqtt::__private::Options {
        timeout: ::core::option::Option::None,
        retry: 0,
        ..::tars_mqtt::__private::Options::DEFAULT
    });
    assert!(code.contains(&options.to_string()), "{code}");
}

#[test]
fn a_method_gets_no_type_beside_it() {
    assert!(!code("\"a\"", "async fn f(&self) {}").contains("struct"));
}
