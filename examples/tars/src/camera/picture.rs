//! A picture as it is sent.

use anyhow::ensure;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{FilterType, resize};
use image::{ImageEncoder as _, RgbImage};

use crate::contracts::ImageFormat;

/// How many pixels a side may have.
const LONGEST_SIDE: u32 = 4096;

/// How many bytes a picture may have, so that it fits into a message in base64.
const LARGEST: usize = 750_000;

/// A picture in one of the formats.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    pub(super) bytes: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Picture {
    /// Writes an image in a format. A side that is not given follows from the other.
    pub(super) fn of(
        image: &RgbImage,
        width: Option<u32>,
        height: Option<u32>,
        format: ImageFormat,
        quality: u8,
    ) -> anyhow::Result<Self> {
        let (width, height) = size(image, width, height);
        for (side, length) in [("width", width), ("height", height)] {
            ensure!(
                length <= LONGEST_SIDE,
                "`{side}` is {length}, and must be at most {LONGEST_SIDE}"
            );
        }
        let resized = (image.dimensions() != (width, height))
            .then(|| resize(image, width, height, FilterType::Triangle));
        let image = resized.as_ref().unwrap_or(image);
        let mut bytes = Vec::new();
        match format {
            ImageFormat::Jpeg => {
                JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(image)?;
            }
            ImageFormat::Png => {
                let colour = image::ExtendedColorType::Rgb8;
                PngEncoder::new(&mut bytes).write_image(image, width, height, colour)?;
            }
            ImageFormat::Raw => bytes.extend_from_slice(image),
        }
        let length = bytes.len();
        ensure!(
            length <= LARGEST,
            "the picture has {length} bytes, and may have {LARGEST}: ask for less width, or for jpeg"
        );
        Ok(Self { bytes, width, height })
    }

    pub(super) fn base64(&self) -> String {
        BASE64_STANDARD.encode(&self.bytes)
    }
}

fn size(image: &RgbImage, width: Option<u32>, height: Option<u32>) -> (u32, u32) {
    let (own_width, own_height) = image.dimensions();
    let scaled = |length: u32, own: u32, other: u32| {
        let scaled = u64::from(length) * u64::from(other) / u64::from(own.max(1));
        u32::try_from(scaled.max(1)).unwrap_or(u32::MAX)
    };
    match (width, height) {
        (Some(width), Some(height)) => (width, height),
        (Some(width), None) => (width, scaled(width, own_width, own_height)),
        (None, Some(height)) => (scaled(height, own_height, own_width), height),
        (None, None) => (own_width, own_height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn red() -> RgbImage {
        RgbImage::from_pixel(40, 20, image::Rgb([255, 0, 0]))
    }

    fn picture(width: Option<u32>, height: Option<u32>, format: ImageFormat) -> Picture {
        Picture::of(&red(), width, height, format, 85).unwrap()
    }

    #[test]
    fn each_format_holds_the_picture() {
        for (format, name) in [
            (ImageFormat::Jpeg, image::ImageFormat::Jpeg),
            (ImageFormat::Png, image::ImageFormat::Png),
        ] {
            let picture = picture(None, None, format);
            assert_eq!(image::guess_format(&picture.bytes).unwrap(), name);
            let image = image::load_from_memory(&picture.bytes).unwrap().to_rgb8();
            assert_eq!(image.dimensions(), (40, 20));
            assert!(image.get_pixel(20, 10)[0] > 250 && image.get_pixel(20, 10)[1] < 5);
        }
        let raw = picture(Some(2), Some(1), ImageFormat::Raw);
        assert_eq!(raw.bytes, [255, 0, 0, 255, 0, 0]);
        assert_eq!(raw.base64(), "/wAA/wAA");
    }

    #[test]
    fn a_side_that_is_not_given_follows_from_the_other() {
        let size = |width, height| {
            let picture = picture(width, height, ImageFormat::Jpeg);
            (picture.width, picture.height)
        };
        assert_eq!(size(Some(20), None), (20, 10));
        assert_eq!(size(None, Some(10)), (20, 10));
        assert_eq!(size(Some(7), Some(9)), (7, 9));
        assert_eq!(size(Some(1), None), (1, 1));
    }

    #[test]
    fn what_is_too_large_is_refused_with_what_is_not() {
        let error = |width, format| {
            Picture::of(&red(), Some(width), None, format, 85).unwrap_err().to_string()
        };
        let bounds = "`width` is 4097, and must be at most 4096";
        assert_eq!(error(4097, ImageFormat::Jpeg), bounds);
        assert_eq!(error(u32::MAX, ImageFormat::Jpeg), bounds.replace("4097", "4294967295"));
        let large = error(1000, ImageFormat::Raw);
        assert!(large.starts_with("the picture has 1500000 bytes, and may have 750000"), "{large}");
    }
}
