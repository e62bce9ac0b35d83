//! Takes pictures when asked to, and shows a stream of small ones.
//!
//! Pictures come from the folder that `CAMERA_FOLDER` names (PNG and JPEG, one after the other by name),
//! or are a test card. The stream has `CAMERA_FPS` pictures a second (1; 0 for none) that are
//! `CAMERA_FRAME_WIDTH` pixels wide (320).

mod picture;
mod source;
mod stream;

use std::path::PathBuf;

pub use source::Camera;
pub use stream::Settings;
use tars_mqtt::prelude::*;

use crate::contracts::{
    CameraCaptureRequest, CameraEvent, CameraImageResponse, CameraStatusUpdate,
};
use crate::vars::Vars;

/// The camera, with settings from the environment.
///
/// # Errors
///
/// When one of them cannot be read, or the folder has no pictures.
pub fn service(app: App) -> anyhow::Result<App> {
    let vars = Vars::of_process();
    let camera = Camera::open(vars.optional("CAMERA_FOLDER").map(PathBuf::from))?;
    let settings = Settings {
        fps: vars.number("CAMERA_FPS", 1.0, 0.0..=30.0)?,
        width: vars.number("CAMERA_FRAME_WIDTH", 320, 1..=1920)?,
    };
    Ok(with(app, camera, settings))
}

/// The service of this camera, with these settings.
pub fn with(app: App, camera: Camera, settings: Settings) -> App {
    let shown = camera.clone();
    app.handlers_in(module_path!()).state(camera).on_ready(move |client: Client| async move {
        let ready = CameraStatusUpdate::default();
        client.publish(&ready).await?;
        tokio::spawn(stream::show(client, shown, settings));
        anyhow::Ok(())
    })
}

#[subscribe]
async fn capture(
    State(camera): State<Camera>,
    context: Context,
    request: CameraCaptureRequest,
) -> tars_mqtt::Result<(CameraImageResponse, CameraStatusUpdate)> {
    let status = |event, detail| CameraStatusUpdate {
        event,
        request_id: Some(request.request_id.0.clone()),
        detail,
        ..CameraStatusUpdate::default()
    };
    context.publish(&status(CameraEvent::CaptureStarted, None)).await?;
    let taken = camera.take(request.width, request.height, request.format, request.quality).await;
    let image = CameraImageResponse {
        request_id: request.request_id.0.clone(),
        format: request.format,
        purpose: request.purpose.clone(),
        ..CameraImageResponse::default()
    };
    Ok(match taken {
        Ok(picture) => {
            let image = CameraImageResponse {
                image_data: picture.base64(),
                width: picture.width,
                height: picture.height,
                size_bytes: picture.bytes.len() as u64,
                ..image
            };
            (image, status(CameraEvent::CaptureCompleted, None))
        }
        Err(error) => {
            let error = Some(format!("{error:#}"));
            let image = CameraImageResponse { success: false, error: error.clone(), ..image };
            (image, status(CameraEvent::CaptureFailed, error))
        }
    })
}
