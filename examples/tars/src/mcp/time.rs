//! What time it is.

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// Now, in a time zone or in the local one.
pub(super) fn now(zone: Option<&str>) -> anyhow::Result<Value> {
    told(Timestamp::now(), zone)
}

fn told(time: Timestamp, zone: Option<&str>) -> anyhow::Result<Value> {
    let zone = match zone {
        None => TimeZone::system(),
        Some(name) => TimeZone::get(name)
            .with_context(|| format!("{name:?} is no time zone, such as Europe/Berlin"))?,
    };
    let time = time.to_zoned_datetime(zone);
    Ok(json!({
        "time": time.strftime("%H:%M").to_string(),
        "date": time.date().to_string(),
        "weekday": time.strftime("%A").to_string(),
        "zone": time.time_zone().iana_name().unwrap_or("local"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_zone() {
        let time = "2026-11-25T23:30:00Z".parse().unwrap();
        let expected = json!({
            "time": "00:30", "date": "2026-11-26", "weekday": "Thursday", "zone": "Europe/Berlin",
        });
        assert_eq!(told(time, Some("Europe/Berlin")).unwrap(), expected);
        assert!(told(time, None).unwrap()["time"].is_string());
    }

    #[test]
    fn what_is_no_zone_is_an_error_that_names_one() {
        let error = now(Some("Mars/Olympus")).unwrap_err().to_string();
        assert_eq!(error, r#""Mars/Olympus" is no time zone, such as Europe/Berlin"#);
    }
}
