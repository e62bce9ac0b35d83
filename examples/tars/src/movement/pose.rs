//! Where the servos are, and the way from one pose to another.

use std::collections::BTreeMap;
use std::time::Duration;

/// How many frames there are for a second of movement.
const FRAME: Duration = Duration::from_millis(50);

/// The pulse of a servo at 0 percent, in microseconds.
const LOWEST: f64 = 1000.0;

/// How much longer the pulse is for each percent.
const PERCENT: f64 = 10.0;

/// The servos by their channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Servo {
    Lift,
    LeftLeg,
    RightLeg,
    LeftArm,
    LeftForearm,
    LeftHand,
    RightArm,
    RightForearm,
    RightHand,
}

impl Servo {
    pub(super) const ALL: [(Self, &str); 9] = [
        (Self::Lift, "lift"),
        (Self::LeftLeg, "left_leg"),
        (Self::RightLeg, "right_leg"),
        (Self::LeftArm, "left_arm"),
        (Self::LeftForearm, "left_forearm"),
        (Self::LeftHand, "left_hand"),
        (Self::RightArm, "right_arm"),
        (Self::RightForearm, "right_forearm"),
        (Self::RightHand, "right_hand"),
    ];
}

/// Where each servo is, in percent of its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pose([f64; Servo::ALL.len()]);

/// A part of a movement: the servos that move, where to, and how long it takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) to: Vec<(Servo, f64)>,
    pub(super) duration: Duration,
    /// How long to stay there.
    pub(super) hold: Duration,
}

/// A moment of a movement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment {
    pub(super) pose: Pose,
    pub(super) duration: Duration,
    pub(super) hold: Duration,
}

impl Pose {
    /// All in the middle.
    pub(super) const NEUTRAL: Self = Self([50.0; Servo::ALL.len()]);

    /// The length of the pulse for each channel, in microseconds.
    pub(super) fn channels(&self) -> BTreeMap<String, i64> {
        #[expect(clippy::cast_possible_truncation, reason = "a pulse has four digits")]
        let pulse = |percent: f64| (LOWEST + PERCENT * percent).round() as i64;
        let channels = self.0.iter().enumerate();
        channels.map(|(channel, percent)| (channel.to_string(), pulse(*percent))).collect()
    }

    fn with(mut self, to: &[(Servo, f64)]) -> Self {
        for (servo, percent) in to {
            self.0[*servo as usize] = *percent;
        }
        self
    }

    /// On the way to another pose: 0 is here, 1 is there. It begins and ends slowly.
    fn toward(&self, other: &Self, way: f64) -> Self {
        let way = way * way * (3.0 - 2.0 * way);
        let mut pose = *self;
        for (from, to) in pose.0.iter_mut().zip(other.0) {
            *from += (to - *from) * way;
        }
        pose
    }
}

/// A movement, moment by moment, from where the servos are.
pub(super) fn trajectory(mut pose: Pose, steps: &[Step]) -> Vec<Moment> {
    let mut moments = Vec::new();
    for step in steps {
        let target = pose.with(&step.to);
        let count = step.duration.div_duration_f64(FRAME).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is small")]
        let count = count as u32;
        for number in 1..=count {
            let hold = if number == count { step.hold } else { Duration::ZERO };
            let way = f64::from(number) / f64::from(count);
            let pose = pose.toward(&target, way);
            moments.push(Moment { pose, duration: step.duration / count, hold });
        }
        pose = target;
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(percent: f64, duration: u64) -> Step {
        Step {
            to: vec![(Servo::Lift, percent)],
            duration: Duration::from_millis(duration),
            hold: Duration::from_millis(7),
        }
    }

    fn lift(moment: &Moment) -> i64 {
        moment.pose.channels()["0"]
    }

    #[test]
    fn a_movement_begins_where_the_servos_are_and_ends_where_it_is_to() {
        let start = Pose::NEUTRAL.with(&[(Servo::Lift, 20.0)]);
        let moments = trajectory(start, &[step(100.0, 500), step(0.0, 500)]);
        assert_eq!(moments.len(), 20);
        assert!(lift(&moments[0]) > 1200 && lift(&moments[0]) < 1250, "{}", lift(&moments[0]));
        assert_eq!((lift(&moments[9]), lift(&moments[19])), (2000, 1000));
        let still = moments.iter().all(|moment| moment.pose.channels()["1"] == 1500);
        assert!(still, "other servos stay where they are");
    }

    #[test]
    fn it_is_fastest_in_the_middle_and_never_turns_back() {
        let moments = trajectory(Pose::NEUTRAL, &[step(100.0, 1000)]);
        let places: Vec<_> = moments.iter().map(lift).collect();
        let speeds: Vec<_> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(speeds.iter().all(|speed| *speed > 0), "{speeds:?}");
        assert!(speeds[9] > 2 * speeds[0] && speeds[9] > 2 * speeds[18], "{speeds:?}");
    }

    #[test]
    fn the_frames_take_as_long_as_the_movement() {
        for duration in [1, 50, 51, 1234] {
            let moments = trajectory(Pose::NEUTRAL, &[step(100.0, duration)]);
            let total: Duration = moments.iter().map(|moment| moment.duration).sum();
            let difference = total.abs_diff(Duration::from_millis(duration));
            assert!(difference < Duration::from_micros(1), "{total:?}");
            assert!(moments.iter().all(|moment| moment.duration <= FRAME));
            assert_eq!(moments.last().unwrap().hold, Duration::from_millis(7));
        }
    }
}
