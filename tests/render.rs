//! Pictures of known scenes, environments as scenes, and the file that an animation becomes.

use flowmill::engine::{Engine, EngineOptions};
use flowmill::env::{StateFields, load};
use flowmill::physics::model::Shape;
use flowmill::render::{Animation, Direction, Episode, Figure, Picture, Role, Scene, Solid, View};
use glam::{DMat3, DVec3};

const RED: [f64; 4] = [0.9, 0.2, 0.2, 1.0];
const BLUE: [f64; 4] = [0.2, 0.3, 0.9, 1.0];
const SIDE: u32 = 200;

fn ball(position: DVec3, radius: f64, rgba: [f64; 4]) -> Solid {
    Solid::sphere(position, radius, rgba, Role::Moving)
}

fn scene(solids: &[Solid]) -> Scene {
    Scene { solids: solids.to_vec(), focus: DVec3::ZERO }
}

/// A square picture without text.
fn picture(direction: Direction, scene: &Scene) -> Picture {
    let view = View::new(direction, None, std::slice::from_ref(scene), 1.0);
    Picture::new(scene, &view, (SIDE, SIDE), "").unwrap()
}

fn red(picture: &Picture, x: u32, y: u32) -> bool {
    let [r, _, b] = picture.pixel(x, y).unwrap();
    i32::from(r) > i32::from(b) + 60
}

fn blue(picture: &Picture, x: u32, y: u32) -> bool {
    let [r, _, b] = picture.pixel(x, y).unwrap();
    i32::from(b) > i32::from(r) + 60
}

/// First and last column and row that have a red pixel.
fn extent(picture: &Picture) -> [u32; 4] {
    let all = || (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))).filter(|&(x, y)| red(picture, x, y));
    let (xs, ys) = (|| all().map(|p| p.0), || all().map(|p| p.1));
    [xs().min().unwrap(), xs().max().unwrap(), ys().min().unwrap(), ys().max().unwrap()]
}

/// Whether numbers of pixels are equal up to what perspective and edges may change.
fn near(found: [u32; 4], expected: [f64; 4]) -> bool {
    found.into_iter().zip(expected).all(|(found, expected)| (f64::from(found) - expected).abs() <= 3.0)
}

#[test]
fn a_sphere_fills_its_circle_and_nothing_else_from_every_direction() {
    for direction in [Direction::Side, Direction::Top, Direction::Oblique] {
        let picture = picture(direction, &scene(&[ball(DVec3::new(3.0, -2.0, 5.0), 0.5, RED)]));
        // The margin is a tenth, and more where depths differ.
        let radius = if direction == Direction::Oblique { 100.0 / 1.3 } else { 100.0 / 1.1 };
        let bounds = [100.0 - radius, 100.0 + radius, 100.0 - radius, 100.0 + radius];
        assert!(near(extent(&picture), bounds), "{direction:?}: {:?}", extent(&picture));
        for angle in 0..24 {
            let (sine, cosine) = (f64::from(angle) / 24.0 * std::f64::consts::TAU).sin_cos();
            let at = |part: f64| [cosine, sine].map(|along| (100.0 + part * radius * along) as u32);
            let ([x, y], [u, v]) = (at(0.9), at(1.07));
            assert!(red(&picture, x, y) && !red(&picture, u, v), "{direction:?}: {x} {y} is inside, {u} {v} is not");
        }
    }
}

#[test]
fn places_in_the_picture_are_those_in_space_with_x_to_the_right_and_the_other_axis_up() {
    // The blue ones only hold the frame: from -2 to 2 both ways.
    for (direction, up) in [(Direction::Side, DVec3::Z), (Direction::Top, DVec3::Y)] {
        let frame = [DVec3::X + up, -DVec3::X - up].map(|corner| ball(corner * 1.9, 0.1, BLUE));
        let there = ball(DVec3::X + up * 0.5, 0.1, RED);
        let [left, right, top, bottom] = extent(&picture(direction, &scene(&[frame[0], frame[1], there])));
        // 100 / 2.2 pixels a unit; looking down a little shortens heights by 2 %.
        let (x, y) = (f64::from(left + right) / 2.0, f64::from(top + bottom) / 2.0);
        assert!(
            (x - (100.0 + 100.0 / 2.2)).abs() < 3.0 && (y - (100.0 - 50.0 / 2.2)).abs() < 3.0,
            "{direction:?}: {x} {y}"
        );
    }
}

#[test]
fn a_capsule_is_its_radius_longer_than_the_line_at_both_ends() {
    let ends = [DVec3::new(-2.0, 0.0, 0.0), DVec3::new(2.0, 0.0, 0.0)];
    let capsule = Solid::capsule(ends, 0.5, RED, Role::Moving);
    let picture = picture(Direction::Top, &scene(&[capsule]));
    // Half of the length is 2.5, half of the width 0.5.
    let (long, wide) = (100.0 / 1.1, 100.0 / 1.1 / 5.0);
    assert!(near(extent(&picture), [100.0 - long, 100.0 + long, 100.0 - wide, 100.0 + wide]), "{:?}", extent(&picture));
    // Its ends are round.
    assert!(!red(&picture, 11, 84) && red(&picture, 11, 100) && red(&picture, 30, 84));
}

#[test]
fn boxes_ellipsoids_and_cylinders_have_their_sizes_along_their_own_axes() {
    let turned = DMat3::from_rotation_z(std::f64::consts::FRAC_PI_2);
    for shape in [Shape::Box, Shape::Ellipsoid, Shape::Cylinder] {
        // Seen from above, the longest axis is turned from x to y; a cylinder's is its own z axis, laid down.
        let (size, rotation) = match shape {
            Shape::Cylinder => (DVec3::new(0.5, 2.0, 0.0), DMat3::from_rotation_x(std::f64::consts::FRAC_PI_2)),
            _ => (DVec3::new(2.0, 0.5, 0.01), turned),
        };
        let solid = Solid { shape, size, position: DVec3::ZERO, rotation, rgba: RED, role: Role::Moving };
        let found = extent(&picture(Direction::Top, &scene(&[solid])));
        // The upper edges of a cylinder's ends are nearer than its axis by 0.5 of 2.2 / tan(11.25 degrees), and look larger.
        let distance = 2.2 / (std::f64::consts::PI / 16.0).tan();
        let nearer = if shape == Shape::Cylinder { distance / (distance - 0.5) } else { 1.0 };
        let (long, wide) = (100.0 / 1.1 * nearer, 25.0 / 1.1);
        assert!(near(found, [100.0 - wide, 100.0 + wide, 100.0 - long, 100.0 + long]), "{shape}: {found:?}");
    }
}

#[test]
fn what_is_nearer_hides_what_is_behind_it_in_whatever_order_it_is_listed() {
    for (direction, towards) in [(Direction::Side, DVec3::NEG_Y), (Direction::Top, DVec3::Z)] {
        let (front, back) = (ball(towards * 0.6, 0.5, RED), ball(-towards * 0.6, 1.0, BLUE));
        for solids in [[front, back], [back, front]] {
            let picture = picture(direction, &scene(&solids));
            assert!(red(&picture, 100, 100), "{direction:?}: the near one is in front");
            assert!(
                blue(&picture, 30, 100) && blue(&picture, 170, 100),
                "{direction:?}: the far one is seen around it"
            );
        }
        let (front, back) = (ball(towards * 0.6, 0.9, RED), ball(-towards * 0.6, 0.3, BLUE));
        for solids in [[front, back], [back, front]] {
            let picture = picture(direction, &scene(&solids));
            let any = (0..SIDE).any(|x| (0..SIDE).any(|y| blue(&picture, x, y)));
            assert!(!any, "{direction:?}: the far one is hidden");
        }
    }
}

#[test]
fn a_camera_that_follows_keeps_the_body_in_its_place_and_moves_the_floor() {
    let at = |x: f64| {
        let floor = Solid::floor(DVec3::ZERO, [0.0, 1.0], [0.8, 0.8, 0.8, 1.0]);
        Scene { solids: vec![floor, ball(DVec3::new(x, 0.0, 1.0), 0.5, RED)], focus: DVec3::new(x, 0.0, 1.0) }
    };
    let scenes = [at(0.0), at(0.37), at(25.0)];
    let view = View::new(Direction::Side, Some(&scenes[0]), &scenes, 1.0);
    let pictures = scenes.each_ref().map(|scene| Picture::new(scene, &view, (SIDE, SIDE), "").unwrap());
    let places = pictures.each_ref().map(extent);
    assert_eq!((places[0], places[0]), (places[1], places[2]));
    assert_ne!(pictures[0].rgba(), pictures[1].rgba(), "the squares are elsewhere");
}

#[test]
fn the_file_has_the_pictures_that_were_put_in_with_their_times_and_colours() {
    let scenes: Vec<Scene> = [-1.0, -1.0, 0.0, 1.0].map(|x| scene(&[ball(DVec3::new(x, 0.0, 0.0), 0.4, RED)])).into();
    let view = View::new(Direction::Top, None, &scenes, 1.5);
    let pictures: Vec<Picture> =
        scenes.iter().map(|scene| Picture::new(scene, &view, (120, 80), "1.00 s").unwrap()).collect();
    let mut animation = Animation::new(&pictures).unwrap();
    for (picture, delay) in pictures.iter().zip([4, 3, 4, 5]) {
        animation.push(picture, delay).unwrap();
    }
    assert!(animation.push(&picture(Direction::Top, &scenes[0]), 4).is_err(), "a picture of another size");
    assert_eq!(animation.frames(), 4);
    let file = animation.finish().unwrap();

    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(file.as_slice()).unwrap();
    assert_eq!((decoder.width(), decoder.height(), decoder.repeat()), (120, 80, gif::Repeat::Infinite));
    let (mut shown, mut delays) = (vec![0; 120 * 80 * 4], Vec::new());
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        let (left, width) = (usize::from(frame.left), usize::from(frame.width));
        for (k, pixel) in frame.buffer.chunks_exact(4).enumerate().filter(|(_, pixel)| pixel[3] > 0) {
            let (x, y) = (left + k % width, usize::from(frame.top) + k / width);
            shown[(y * 120 + x) * 4..][..4].copy_from_slice(pixel);
        }
        // Edges may be of the nearest colour; all else is as it was drawn.
        let picture = &pictures[delays.len()];
        let apart = |(a, b): (&u8, &u8)| a.abs_diff(*b);
        let far = shown.iter().zip(picture.rgba()).map(apart).filter(|d| *d > 12).count();
        assert!(far < 120 * 80 * 4 / 100, "picture {}: {far} numbers are more than 12 off", delays.len());
        delays.push(frame.delay);
    }
    assert_eq!(delays, [4, 3, 4, 5]);
}

#[test]
fn models_are_seen_from_where_they_move_and_followed_where_they_travel() {
    let cases = [
        ("hopper-hop", Direction::Side, true),
        ("cartpole-swingup", Direction::Side, false),
        ("ball-in-cup-catch", Direction::Side, false),
        ("reacher-easy", Direction::Top, false),
        ("point-maze-medium", Direction::Top, false),
        ("fish-upright", Direction::Oblique, false),
        ("quadcopter", Direction::Oblique, true),
        ("pendulum", Direction::Side, false),
        ("multigoal", Direction::Top, false),
    ];
    for (name, direction, travels) in cases {
        let figure = Figure::new(&load(name).unwrap()).unwrap();
        assert_eq!((figure.direction(), figure.travels().is_some()), (direction, travels), "{name}");
    }
}

#[test]
fn a_state_is_drawn_where_its_joints_and_its_goal_say() {
    let environment = load("reacher-hard").unwrap();
    let (figure, fields) = (Figure::new(&environment).unwrap(), StateFields::of(&environment).unwrap());
    let options = EngineOptions { adapter: "cpu".parse().unwrap(), ..EngineOptions::default() };
    let mut engine = Engine::new(&options).unwrap();
    let mut heard = Vec::new();
    let episode = Episode::random(&mut engine, &environment, (5, 3), |done| heard.push(done)).unwrap();
    // Steps of 0.02 s, every second of which is drawn, and the last.
    assert_eq!((episode.every, episode.rewards.len(), heard), (2, 5, vec![0, 2, 4, 5]));
    assert_eq!([0, 1, 2, 3].map(|state| episode.steps_before(state)), [0, 2, 4, 5]);
    for state in &episode.states {
        let number = |path: &str, k: usize| f64::from(fields.read(state, path).unwrap()[k]);
        let scene = figure.scene(state).unwrap();
        let target = scene.solids.iter().find(|solid| solid.role == Role::Mark).unwrap();
        let goal = DVec3::new(number("goal", 0), number("goal", 1), 0.01);
        assert!(target.position.distance(goal) < 1e-9 && target.size.x == 0.015, "{target:?}");
        // Two links of 0.12 m from the origin.
        let (shoulder, wrist) = (number("physics.qpos", 0), number("physics.qpos", 1));
        let (first, second) = (DVec3::X.rotate_z(shoulder), DVec3::X.rotate_z(shoulder + wrist));
        let finger = scene.solids.iter().rfind(|solid| solid.role == Role::Moving).unwrap();
        assert!(finger.position.distance((first + second) * 0.12 + DVec3::Z * 0.01) < 1e-9, "{finger:?}");
    }
    let mut broken = episode.states[0].clone();
    broken[..4].copy_from_slice(&f32::NAN.to_ne_bytes());
    assert!(figure.scene(&broken).is_none(), "an angle that is no number");
}
