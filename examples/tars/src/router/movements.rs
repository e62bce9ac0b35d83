//! The phrases that move the robot.

use crate::contracts::TestMovementCommand as Move;
use crate::phrases::plain;

/// The movement that a phrase asks for, if it asks for one and nothing else.
pub(super) fn movement(text: &str) -> Option<Move> {
    let plain = plain(text);
    let mut phrase = plain.as_str();
    for politeness in ["please ", "can you ", "could you ", "please "] {
        phrase = phrase.strip_prefix(politeness).unwrap_or(phrase);
    }
    Some(match phrase.trim_end_matches(" please").trim_end_matches(" now") {
        "step forward" | "move forward" | "walk forward" | "go forward" => Move::StepForward,
        "step backward" | "move backward" | "walk backward" | "go backward" | "step back"
        | "move back" | "go back" | "back up" => Move::StepBackward,
        "turn left" | "rotate left" => Move::TurnLeft,
        "turn right" | "rotate right" => Move::TurnRight,
        "wave" | "wave hello" | "wave goodbye" | "wave your hand" => Move::Wave,
        "laugh" => Move::Laugh,
        "swing legs" | "swing your legs" => Move::SwingLegs,
        "pezz" => Move::Pezz,
        "pezz dispenser" | "pez dispenser" => Move::PezzDispenser,
        "balance" => Move::Balance,
        "mic drop" | "drop the mic" => Move::MicDrop,
        "monster" | "be a monster" => Move::Monster,
        "pose" | "strike a pose" => Move::Pose,
        "bow" | "take a bow" => Move::Bow,
        "move your legs" | "move legs" => Move::MoveLegs,
        "move your arm" | "move arm" | "move your arms" => Move::MoveArm,
        "reset position" | "stand up" | "stand straight" => Move::Reset,
        "relax" | "disable servos" => Move::Disable,
        "stop" | "stop moving" | "halt" | "freeze" => Move::Stop,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_movement_is_asked_for_in_several_ways() {
        for (text, command) in [
            ("Step forward!", Move::StepForward),
            ("could you please turn left", Move::TurnLeft),
            ("Take a bow, please.", Move::Bow),
            ("STOP", Move::Stop),
        ] {
            assert_eq!(movement(text), Some(command), "{text}");
        }
    }

    #[test]
    fn to_speak_of_a_movement_is_not_to_ask_for_it() {
        for text in ["why do people bow", "turn left at the church", "now", "please", ""] {
            assert_eq!(movement(text), None, "{text}");
        }
    }
}
