//! Where pictures come from.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use image::{Rgb, RgbImage};

use super::picture::Picture;
use crate::contracts::ImageFormat;

const CARD_WIDTH: u32 = 640;
const CARD_HEIGHT: u32 = 480;

/// The bars of the test card, from left to right.
const BARS: [[u8; 3]; 8] = [
    [255, 255, 255],
    [255, 255, 0],
    [0, 255, 255],
    [0, 255, 0],
    [255, 0, 255],
    [255, 0, 0],
    [0, 0, 255],
    [0, 0, 0],
];

/// How far the mark on the test card moves from picture to picture.
const STRIDE: usize = 16;

/// A camera. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct Camera {
    source: Arc<Source>,
    taken: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Source {
    /// These files, again and again.
    Files(Vec<PathBuf>),
    TestCard,
}

impl Camera {
    /// A camera that sees the pictures in a folder, or without one a test card.
    ///
    /// # Errors
    ///
    /// When there are no pictures in the folder.
    pub fn open(folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let source = match folder {
            None => Source::TestCard,
            Some(folder) => Source::Files(files(&folder)?),
        };
        Ok(Self { source: Arc::new(source), taken: Arc::default() })
    }

    /// Takes the next picture, in a thread that may take its time.
    pub(super) async fn take(
        &self,
        width: Option<u32>,
        height: Option<u32>,
        format: ImageFormat,
        quality: u8,
    ) -> anyhow::Result<Picture> {
        let (source, number) = (self.source.clone(), self.taken.fetch_add(1, Ordering::Relaxed));
        tokio::task::spawn_blocking(move || {
            Picture::of(&source.image(number)?, width, height, format, quality)
        })
        .await?
    }
}

impl Source {
    fn image(&self, number: usize) -> anyhow::Result<RgbImage> {
        match self {
            Self::TestCard => Ok(test_card(number)),
            Self::Files(files) => {
                let path = &files[number % files.len()];
                let image = image::ImageReader::open(path)
                    .and_then(image::ImageReader::with_guessed_format)
                    .map_err(image::ImageError::IoError)
                    .and_then(image::ImageReader::decode);
                Ok(image.with_context(|| format!("{} is no picture", path.display()))?.to_rgb8())
            }
        }
    }
}

/// The pictures in a folder, by name.
fn files(folder: &PathBuf) -> anyhow::Result<Vec<PathBuf>> {
    let must = || {
        let folder = folder.display();
        format!("CAMERA_FOLDER is {folder}, and must be a folder with PNG or JPEG files")
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(must)? {
        let path = entry.with_context(must)?.path();
        let is_picture = path.extension().is_some_and(|extension| {
            ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        });
        if is_picture {
            files.push(path);
        }
    }
    ensure!(!files.is_empty(), must());
    files.sort();
    Ok(files)
}

/// Bars of colours, and below them a mark that moves.
fn test_card(number: usize) -> RgbImage {
    let mark = number.wrapping_mul(STRIDE) % CARD_WIDTH as usize;
    RgbImage::from_fn(CARD_WIDTH, CARD_HEIGHT, |x, y| {
        if y < CARD_HEIGHT * 3 / 4 {
            Rgb(BARS[x as usize * BARS.len() / CARD_WIDTH as usize])
        } else if (mark..mark + STRIDE).contains(&(x as usize)) {
            Rgb([255, 255, 255])
        } else {
            Rgb([32, 32, 32])
        }
    })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_test_card_moves() {
        assert_ne!(test_card(0), test_card(1));
        assert_eq!(test_card(0).get_pixel(0, 0).0, BARS[0]);
        assert_eq!(test_card(usize::MAX).get_pixel(CARD_WIDTH - 1, 0).0, BARS[7]);
    }

    #[test]
    fn the_pictures_of_a_folder_come_by_name_and_again() {
        let folder = TempDir::new().unwrap();
        for (name, red) in [("b.PNG", 2), ("a.png", 1), ("notes.txt", 0)] {
            let image = RgbImage::from_pixel(1, 1, Rgb([red, 0, 0]));
            let path = folder.path().join(name);
            image.save_with_format(path, image::ImageFormat::Png).unwrap();
        }
        let source = Source::Files(files(&folder.path().to_owned()).unwrap());
        let red = |number| source.image(number).unwrap().get_pixel(0, 0)[0];
        assert_eq!([red(0), red(1), red(2)], [1, 2, 1]);
        std::fs::write(folder.path().join("a.png"), "no picture").unwrap();
        let error = format!("{:#}", source.image(0).unwrap_err());
        assert!(error.contains("a.png is no picture"), "{error}");
    }

    #[test]
    fn a_folder_without_pictures_is_an_error_that_names_the_variable() {
        let folder = TempDir::new().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("missing")] {
            let error = Camera::open(Some(path.clone())).unwrap_err().to_string();
            let path = path.display();
            let must = "and must be a folder with PNG or JPEG files";
            assert_eq!(error, format!("CAMERA_FOLDER is {path}, {must}"));
        }
    }
}
