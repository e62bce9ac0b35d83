//! A page that shows the robot at work.
