//! Keeps other web pages from pressing the buttons of this one.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::http::{Refusal, Site};

/// Lets a request through if the page that makes it is the one that is served here.
pub(super) async fn guard(
    State(site): State<Site>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    check(request.headers(), &site.settings.hosts)?;
    Ok(next.run(request).await)
}

/// A name that anyone can point to this machine makes a page from elsewhere look like one from here,
/// so names must be known. For the rest, browsers say where a request comes from.
fn check(headers: &HeaderMap, names: &[String]) -> Result<(), Refusal> {
    let host = text(headers, HOST.as_str()).and_then(|host| host.parse::<Authority>().ok());
    let Some(host) = host else {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "the header `Host` is missing or wrong"));
    };
    if !is_ours(host.host(), names) {
        let name = host.host();
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            format!("this page is not served as {name:?}: if it should be, set WEB_HOSTS={name}"),
        ));
    }
    let from_elsewhere = headers.get(ORIGIN).is_some_and(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        origin.as_ref().and_then(Uri::authority) != Some(&host)
    });
    let site = text(headers, "sec-fetch-site");
    if from_elsewhere || site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "only this page itself may ask for this"));
    }
    Ok(())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_ours(host: &str, names: &[String]) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn outcome(headers: &[(&'static str, &'static str)]) -> Option<u16> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let refusal = check(&headers.collect(), &["tars.local".to_owned()]).err()?;
        Some(refusal.status().as_u16())
    }

    #[test]
    fn the_page_itself_may_ask() {
        for host in ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "192.168.1.5", "TARS.local"]
        {
            assert_eq!(outcome(&[("host", host)]), None, "{host}");
        }
        let own = ("origin", "http://127.0.0.1:8080");
        let same = ("sec-fetch-site", "same-origin");
        assert_eq!(outcome(&[("host", "127.0.0.1:8080"), own, same]), None);
        assert_eq!(outcome(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "none")]), None);
    }

    #[test]
    fn names_that_are_not_known_are_refused() {
        assert_eq!(outcome(&[("host", "evil.example:8080")]), Some(421));
        assert_eq!(outcome(&[("host", "127.0.0.1.evil.example")]), Some(421));
        assert_eq!(outcome(&[]), Some(400));
    }

    #[test]
    fn other_pages_may_not_ask() {
        let host = ("host", "127.0.0.1:8080");
        for origin in ["http://evil.example", "http://127.0.0.1:9000", "null", "file://", ""] {
            assert_eq!(outcome(&[host, ("origin", origin)]), Some(403), "{origin}");
        }
        assert_eq!(outcome(&[host, ("sec-fetch-site", "cross-site")]), Some(403));
        assert_eq!(outcome(&[host, ("sec-fetch-site", "same-site")]), Some(403));
    }
}
