//! The camera, as those see it who ask for pictures.

#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tars::camera::{Camera, Settings};
use tars_mqtt::Running;
use tars_mqtt::prelude::*;
use tests::{Broker, Program, Spy, envelope, json, on_each_broker};

async fn start(broker: &Broker, camera: Camera, fps: f64) -> Running {
    let settings = Settings { fps, width: 64 };
    let app = App::new(broker.config("camera").health(true));
    tars::camera::with(app, camera, settings).start().await.unwrap()
}

fn capture(id: &str, data: &Value) -> String {
    envelope("camera.capture", id, &data.to_string())
}

fn decoded(data: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(data.as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_taken_when_it_is_asked_for() {
    on_each_broker(|broker| async move {
        let mut statuses = Spy::on(broker.port(), &["camera/status"]).await;
        let mut images = Spy::on(broker.port(), &["camera/image"]).await;
        let service = start(&broker, Camera::open(None).unwrap(), 0.0).await;
        assert_eq!(json(&statuses.next().await)["data"]["event"], "camera_ready");
        let wish = json!({"request_id": "r1", "width": 160, "format": "png", "purpose": "to see"});
        images.publish("camera/capture", capture("c1", &wish)).await;
        let image = json(&images.next().await);
        assert_eq!((&image["id"], &image["type"]), (&json!("c1"), &json!("camera.image")));
        let data = &image["data"];
        assert_eq!((&data["request_id"], &data["purpose"]), (&json!("r1"), &json!("to see")));
        assert_eq!((&data["width"], &data["height"]), (&json!(160), &json!(120)));
        assert_eq!((&data["success"], &data["error"]), (&json!(true), &Value::Null));
        let bytes = decoded(&data["image_data"]);
        assert_eq!(data["size_bytes"], bytes.len());
        assert!(bytes.starts_with(b"\x89PNG"));
        for event in ["capture_started", "capture_completed"] {
            let status = json(&statuses.next().await)["data"].clone();
            assert_eq!((&status["event"], &status["request_id"]), (&json!(event), &json!("r1")));
        }

        // As large as it may be.
        let wish = json!({"width": 500, "height": 500, "format": "raw"});
        images.publish("camera/capture", capture("c3", &wish)).await;
        let data = json(&images.next().await)["data"].clone();
        assert_eq!(decoded(&data["image_data"]).len(), 750_000);
        assert_eq!(json(&statuses.next().await)["data"]["event"], "capture_started");
        assert_eq!(json(&statuses.next().await)["data"]["event"], "capture_completed");

        let wish = json!({"request_id": "r2", "width": 1000, "format": "raw"});
        images.publish("camera/capture", capture("c2", &wish)).await;
        let data = json(&images.next().await)["data"].clone();
        assert_eq!((&data["success"], &data["image_data"]), (&json!(false), &json!("")));
        assert_eq!((&data["width"], &data["size_bytes"]), (&json!(0), &json!(0)));
        let error = data["error"].as_str().unwrap();
        assert!(error.starts_with("the picture has 2250000 bytes, and may have"), "{error}");
        assert_eq!(json(&statuses.next().await)["data"]["event"], "capture_started");
        let status = json(&statuses.next().await)["data"].clone();
        assert_eq!(
            (&status["event"], &status["detail"]),
            (&json!("capture_failed"), &json!(error))
        );
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_small_pictures_is_shown_from_a_folder() {
    on_each_broker(|broker| async move {
        let folder = tempfile::TempDir::new().unwrap();
        let picture = folder.path().join("a.png");
        let paint = || image::RgbImage::new(128, 64).save(&picture).unwrap();
        paint();
        let mut frames = Spy::on(broker.port(), &["camera/frame"]).await;
        let mut statuses = Spy::on(broker.port(), &["camera/status"]).await;
        let camera = Camera::open(Some(folder.path().to_owned())).unwrap();
        let service = start(&broker, camera, 25.0).await;
        for number in 0..3 {
            let frame = json(&frames.next().await)["data"].clone();
            assert_eq!((&frame["frame_number"], &frame["fps"]), (&json!(number), &json!(25.0)));
            assert_eq!((&frame["width"], &frame["height"]), (&json!(64), &json!(32)));
            assert_eq!(frame["format"], "jpeg");
            assert!(decoded(&frame["frame_data"]).starts_with(b"\xff\xd8\xff"));
        }
        assert_eq!(json(&statuses.next().await)["data"]["event"], "camera_ready");
        std::fs::remove_file(&picture).unwrap();
        let gone = json(&statuses.next().await)["data"].clone();
        assert_eq!(gone["event"], "camera_unavailable");
        assert!(gone["detail"].as_str().unwrap().contains("a.png"), "{gone}");
        paint();
        assert_eq!(json(&statuses.next().await)["data"]["event"], "camera_ready");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_cannot_be_read_ends_the_program_with_its_name() {
    for (name, value, expected) in [
        ("CAMERA_FPS", "many", "CAMERA_FPS is \"many\", and must be a number from 0 to 30"),
        ("CAMERA_FOLDER", "/nowhere", "CAMERA_FOLDER is /nowhere, and must be a folder with PNG"),
    ] {
        let program = Program::new(env!("CARGO_BIN_EXE_tars-camera"));
        let mut process = program.env("MQTT_URL", "mqtt://127.0.0.1:9").env(name, value).start();
        assert_eq!(process.exit_code().await, 1);
        assert!(process.errors().contains(expected), "{}", process.errors());
    }
}
