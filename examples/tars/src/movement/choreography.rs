//! The movements, step by step.

use std::time::Duration;

use super::pose::Servo::{
    self, LeftArm, LeftForearm, LeftHand, LeftLeg, Lift, RightArm, RightForearm, RightHand,
    RightLeg,
};
use super::pose::Step;
use crate::contracts::TestMovementCommand as Move;

/// Milliseconds to get there, milliseconds to stay there, and where to, in percent.
type Row = (u64, u64, &'static [(Servo, f64)]);

const RESET: &[Row] = &[(
    600,
    0,
    &[
        (Lift, 50.0),
        (LeftLeg, 50.0),
        (RightLeg, 50.0),
        (LeftArm, 50.0),
        (LeftForearm, 50.0),
        (LeftHand, 50.0),
        (RightArm, 50.0),
        (RightForearm, 50.0),
        (RightHand, 50.0),
    ],
)];
const STEP_FORWARD: &[Row] = &[
    (300, 0, &[(Lift, 70.0)]),
    (400, 0, &[(LeftLeg, 30.0), (RightLeg, 30.0)]),
    (300, 0, &[(Lift, 40.0)]),
    (400, 0, &[(LeftLeg, 50.0), (RightLeg, 50.0)]),
    (200, 0, &[(Lift, 50.0)]),
];
const STEP_BACKWARD: &[Row] = &[
    (300, 0, &[(Lift, 70.0)]),
    (400, 0, &[(LeftLeg, 70.0), (RightLeg, 70.0)]),
    (300, 0, &[(Lift, 40.0)]),
    (400, 0, &[(LeftLeg, 50.0), (RightLeg, 50.0)]),
    (200, 0, &[(Lift, 50.0)]),
];
const TURN_LEFT: &[Row] = &[
    (300, 0, &[(Lift, 70.0)]),
    (400, 0, &[(LeftLeg, 70.0), (RightLeg, 30.0)]),
    (300, 0, &[(Lift, 50.0)]),
    (400, 0, &[(LeftLeg, 50.0), (RightLeg, 50.0)]),
];
const TURN_RIGHT: &[Row] = &[
    (300, 0, &[(Lift, 70.0)]),
    (400, 0, &[(LeftLeg, 30.0), (RightLeg, 70.0)]),
    (300, 0, &[(Lift, 50.0)]),
    (400, 0, &[(LeftLeg, 50.0), (RightLeg, 50.0)]),
];
const WAVE: &[Row] = &[
    (500, 0, &[(RightArm, 95.0), (RightForearm, 80.0)]),
    (250, 0, &[(RightHand, 80.0)]),
    (250, 0, &[(RightHand, 20.0)]),
    (250, 0, &[(RightHand, 80.0)]),
    (250, 0, &[(RightHand, 20.0)]),
    (500, 0, &[(RightArm, 50.0), (RightForearm, 50.0), (RightHand, 50.0)]),
];
const LAUGH: &[Row] = &[
    (150, 0, &[(Lift, 60.0)]),
    (150, 0, &[(Lift, 40.0)]),
    (150, 0, &[(Lift, 60.0)]),
    (150, 0, &[(Lift, 40.0)]),
    (150, 0, &[(Lift, 50.0)]),
];
const SWING_LEGS: &[Row] = &[
    (300, 0, &[(Lift, 80.0)]),
    (400, 0, &[(LeftLeg, 70.0), (RightLeg, 30.0)]),
    (400, 0, &[(LeftLeg, 30.0), (RightLeg, 70.0)]),
    (400, 0, &[(LeftLeg, 50.0), (RightLeg, 50.0)]),
    (300, 0, &[(Lift, 50.0)]),
];
const PEZZ: &[Row] =
    &[(400, 600, &[(Lift, 90.0), (LeftHand, 70.0)]), (400, 0, &[(Lift, 50.0), (LeftHand, 50.0)])];
const NOW: &[Row] = &[
    (300, 500, &[(RightArm, 80.0), (RightHand, 80.0)]),
    (300, 0, &[(RightArm, 50.0), (RightHand, 50.0)]),
];
const BALANCE: &[Row] = &[
    (300, 0, &[(LeftLeg, 55.0), (RightLeg, 45.0)]),
    (600, 0, &[(LeftLeg, 45.0), (RightLeg, 55.0)]),
    (300, 0, &[(LeftLeg, 50.0), (RightLeg, 50.0)]),
];
const MIC_DROP: &[Row] = &[
    (600, 300, &[(RightArm, 80.0), (RightHand, 20.0)]),
    (100, 900, &[(RightHand, 90.0)]),
    (600, 0, &[(RightArm, 50.0), (RightHand, 50.0)]),
];
const MONSTER: &[Row] = &[
    (500, 200, &[(LeftArm, 95.0), (RightArm, 95.0), (LeftHand, 80.0), (RightHand, 80.0)]),
    (300, 0, &[(Lift, 80.0)]),
    (300, 0, &[(Lift, 50.0)]),
    (500, 0, &[(LeftArm, 50.0), (RightArm, 50.0), (LeftHand, 50.0), (RightHand, 50.0)]),
];
const POSE: &[Row] = &[
    (500, 1500, &[(Lift, 60.0), (LeftArm, 80.0), (RightArm, 20.0)]),
    (500, 0, &[(Lift, 50.0), (LeftArm, 50.0), (RightArm, 50.0)]),
];
const BOW: &[Row] = &[
    (700, 500, &[(Lift, 30.0), (LeftLeg, 30.0), (RightLeg, 30.0)]),
    (700, 0, &[(Lift, 50.0), (LeftLeg, 50.0), (RightLeg, 50.0)]),
];

/// The steps of a movement. Those without any are told where to go, or go nowhere.
pub(super) fn steps(movement: Move) -> Vec<Step> {
    let rows = match movement {
        Move::Reset => RESET,
        Move::StepForward => STEP_FORWARD,
        Move::StepBackward => STEP_BACKWARD,
        Move::TurnLeft => TURN_LEFT,
        Move::TurnRight => TURN_RIGHT,
        Move::Wave => WAVE,
        Move::Laugh => LAUGH,
        Move::SwingLegs => SWING_LEGS,
        Move::Pezz | Move::PezzDispenser => PEZZ,
        Move::Now => NOW,
        Move::Balance => BALANCE,
        Move::MicDrop => MIC_DROP,
        Move::Monster => MONSTER,
        Move::Pose => POSE,
        Move::Bow => BOW,
        Move::Disable | Move::Stop | Move::MoveLegs | Move::MoveArm => &[],
    };
    let step = |(duration, hold, to): &Row| Step {
        to: to.to_vec(),
        duration: Duration::from_millis(*duration),
        hold: Duration::from_millis(*hold),
    };
    rows.iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::movement::pose::{Pose, trajectory};

    #[test]
    fn every_movement_ends_where_it_began() {
        for movement in [
            Move::StepForward,
            Move::StepBackward,
            Move::TurnLeft,
            Move::TurnRight,
            Move::Wave,
            Move::Laugh,
            Move::SwingLegs,
            Move::Pezz,
            Move::Now,
            Move::Balance,
            Move::MicDrop,
            Move::Monster,
            Move::Pose,
            Move::Bow,
        ] {
            let moments = trajectory(Pose::NEUTRAL, &steps(movement));
            assert!(moments.iter().any(|moment| moment.pose != Pose::NEUTRAL), "{movement:?}");
            assert_eq!(moments.last().unwrap().pose, Pose::NEUTRAL, "{movement:?}");
        }
    }
}
