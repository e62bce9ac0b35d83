use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::defaults::yes;
use super::{Id, Timestamp, bounds};

/// Asks for a picture.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("camera.capture")]
pub struct CameraCaptureRequest {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When it was wanted.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Id of the request, which the picture repeats.
    #[serde(default)]
    pub request_id: Id,
    /// How the picture is written.
    #[serde(default)]
    pub format: ImageFormat,
    /// How much of it is kept where the format leaves something out, from 1 to 100.
    #[serde(default = "good", deserialize_with = "bounds::quality")]
    #[default = 85]
    pub quality: u8,
    /// Its width in pixels, at least 1; without, that of the camera.
    #[serde(default, deserialize_with = "bounds::wanted_width")]
    pub width: Option<u32>,
    /// Its height in pixels, at least 1; without, that of the camera.
    #[serde(default, deserialize_with = "bounds::wanted_height")]
    pub height: Option<u32>,
    /// What it is for.
    pub purpose: Option<String>,
}

fn good() -> u8 {
    85
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// Compressed, with a loss.
    #[default]
    Jpeg,
    /// Compressed, without a loss.
    Png,
    /// Three bytes for each pixel: red, green, blue.
    Raw,
}

/// The picture that a [`CameraCaptureRequest`] asked for.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("camera.image")]
pub struct CameraImageResponse {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When it was sent.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// Id of the request.
    pub request_id: String,
    /// The picture in base64.
    pub image_data: String,
    /// How it is written.
    pub format: ImageFormat,
    /// Its width in pixels.
    #[serde(deserialize_with = "bounds::image_width")]
    pub width: u32,
    /// Its height in pixels.
    #[serde(deserialize_with = "bounds::image_height")]
    pub height: u32,
    /// How many bytes it has before base64.
    #[serde(deserialize_with = "bounds::size_bytes")]
    pub size_bytes: u64,
    /// Whether there is a picture.
    #[serde(default = "yes")]
    #[default = true]
    pub success: bool,
    /// Why there is none.
    pub error: Option<String>,
    /// As in [`CameraCaptureRequest::purpose`].
    pub purpose: Option<String>,
    /// When it was taken.
    #[serde(default)]
    pub capture_timestamp: Timestamp,
}

/// A picture of the stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("camera.frame", qos = 0)]
pub struct CameraFrame {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When it was taken.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// The picture in base64.
    pub frame_data: String,
    /// How it is written.
    #[serde(default)]
    pub format: FrameFormat,
    /// Its width in pixels, at least 1.
    #[serde(deserialize_with = "bounds::frame_width")]
    pub width: u32,
    /// Its height in pixels, at least 1.
    #[serde(deserialize_with = "bounds::frame_height")]
    pub height: u32,
    /// Its number in the stream, from 0.
    #[serde(deserialize_with = "bounds::frame_number")]
    pub frame_number: u64,
    /// How many there are in a second.
    #[serde(default, deserialize_with = "bounds::fps")]
    pub fps: Option<f64>,
}

/// How a picture of the stream is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameFormat {
    /// Compressed, with a loss.
    #[default]
    Jpeg,
    /// Compressed, without a loss.
    Png,
}

/// How the camera is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("camera.status")]
pub struct CameraStatusUpdate {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// When.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// What happened.
    pub event: CameraEvent,
    /// Id of the request that it is about.
    pub request_id: Option<String>,
    /// What there is to say about it.
    pub detail: Option<String>,
}

/// What happens to the camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraEvent {
    /// There are pictures to be had.
    #[default]
    CameraReady,
    /// There are none.
    CameraUnavailable,
    /// A picture is being taken.
    CaptureStarted,
    /// A picture was taken.
    CaptureCompleted,
    /// A picture could not be taken.
    CaptureFailed,
}
