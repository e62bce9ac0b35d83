//! Shows what the camera sees, picture by picture.

use std::time::Duration;

use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::*;
use tokio::time::{MissedTickBehavior, interval};

use super::source::Camera;
use crate::contracts::{CameraEvent, CameraFrame, CameraStatusUpdate, FrameFormat, ImageFormat};

/// How much of a picture is kept: it is seen for a moment only.
const QUALITY: u8 = 70;

/// How the stream is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Pictures a second; 0 for none.
    pub fps: f64,
    /// How many pixels wide they are.
    pub width: u32,
}

/// Sends pictures for as long as the client lives.
pub(super) async fn show(client: Client, camera: Camera, settings: Settings) {
    let Ok(period) = Duration::try_from_secs_f64(settings.fps.recip()) else { return };
    let mut clock = interval(period);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = client.state();
    let mut works = true;
    for frame_number in 0.. {
        tokio::select! {
            _ = clock.tick() => {}
            _ = state.wait_for(|state| *state == ConnectionState::Stopped) => return,
        }
        let taken = camera.take(Some(settings.width), None, ImageFormat::Jpeg, QUALITY).await;
        let changed = (taken.is_ok() != works).then(|| match &taken {
            Ok(_) => CameraStatusUpdate::default(),
            Err(error) => CameraStatusUpdate {
                event: CameraEvent::CameraUnavailable,
                detail: Some(format!("{error:#}")),
                ..CameraStatusUpdate::default()
            },
        });
        works = taken.is_ok();
        if let Some(status) = changed {
            // It ends with the client, at the next picture.
            let _ = client.publish(&status).await;
        }
        if let Ok(picture) = taken {
            let frame = CameraFrame {
                frame_data: picture.base64(),
                format: FrameFormat::Jpeg,
                width: picture.width,
                height: picture.height,
                frame_number,
                fps: Some(settings.fps),
                ..CameraFrame::default()
            };
            // Without a connection nobody sees it, and the next one is newer.
            let _ = client.publish(&frame).await;
        }
    }
}
