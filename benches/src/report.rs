use std::io::Write as _;

use crate::driver::Measured;

/// Prints what was measured: for each figure the median, and the least and the most.
pub(crate) fn print(all: &[Measured]) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    for Measured { scenario, via_mosquitto, subjects } in all {
        let through = if *via_mosquitto { " through mosquitto" } else { "" };
        for (subject, rounds) in subjects {
            let Some(first) = rounds.first() else { continue };
            for name in first.keys() {
                let mut values: Vec<f64> =
                    rounds.iter().filter_map(|figures| figures.get(name).copied()).collect();
                values.sort_by(f64::total_cmp);
                let (median, least, most) =
                    (values[values.len() / 2], values[0], values[values.len() - 1]);
                writeln!(
                    out,
                    "{scenario}{through} {subject} {name}: {median:.2} ({least:.2} to {most:.2})"
                )?;
            }
        }
    }
    Ok(())
}
