//! What the reader refuses, by element, name, file and line; and that it reads what is said in another way.

use flowmill::physics::mjcf;

fn message(text: &str) -> String {
    match mjcf::parse(text, "model.xml") {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// The message for something inside a body of the smallest model.
fn in_body(inside: &str) -> String {
    message(&format!("<mujoco>\n<worldbody>\n<body name=\"b\">\n{inside}\n</body>\n</worldbody>\n</mujoco>"))
}

#[test]
fn every_refusal_is_one_line_with_place_element_and_what_was_expected() {
    let geom = "<geom size='1'/>";
    let cases = [
        (in_body("<geom type=\"mesh\" mesh=\"m\"/>"), "model.xml:4: <geom>: attribute `mesh` is not supported"),
        (
            in_body("<geom name=\"g\" type=\"hfield\"/>"),
            "model.xml:4: <geom name=\"g\">: `type` is `hfield`, supported: plane, sphere, capsule, ellipsoid, cylinder, box",
        ),
        (in_body("<composite/>"), "model.xml:4: <composite>: is not supported inside <body>"),
        (in_body("<joint/><geom size='1' mass='0'/>"), "model.xml:3: <body name=\"b\">: moves, but its mass is 0"),
        (
            in_body("<joint name=\"j\" limited=\"true\"/>"),
            "model.xml:4: <joint name=\"j\">: is limited but has no `range`",
        ),
        (in_body("<joint range=\"2 1\"/>"), "`range` is 2 1, expected a smaller and a larger number"),
        (in_body("<joint stiffness=\"soft\"/>"), "`stiffness` is `soft`, expected numbers"),
        (in_body("<joint damping=\"-1\"/>"), "`damping` is -1, expected 0 or more"),
        (in_body("<joint damping=\"nan\"/>"), "`damping` is `nan`, expected finite numbers"),
        (in_body("<joint pos=\"1 2\"/>"), "`pos` is `1 2`: 2 numbers, expected 3"),
        (in_body("<joint axis=\"0 0 0\"/>"), "`axis` has no length"),
        (in_body("<joint springdamper=\"1 1\"/>"), "`springdamper` is `1 1`: only 0 is supported"),
        (in_body("<geom size=\"1\" class=\"no\"/>"), "unknown default class `no`"),
        (in_body("<geom size=\"1\" condim=\"6\"/>"), "`condim` is 6, supported: 1, 3"),
        (in_body("<geom type=\"capsule\" size=\"1\"/>"), "`size` has 0 where a number above 0 is expected"),
        (
            in_body("<geom size=\"1\" euler=\"0 0 1\" quat=\"1 0 0 0\"/>"),
            "has both `quat` and `euler`, expected one orientation",
        ),
        (
            in_body("<freejoint/><geom name='p' type='plane' size='1 1 1'/><geom size='1'/>"),
            "model.xml:4: <geom name=\"p\">: a plane (`p`) on a body that moves is not supported: planes stand still",
        ),
        (
            message(
                "<mujoco><worldbody><body><joint name='a'/><geom size='1'/></body></worldbody>
                 <tendon><fixed><joint joint='a' coef='1'/><joint joint='a' coef='2'/></fixed></tendon></mujoco>",
            ),
            "names the joint `a` again",
        ),
        (in_body("words"), "model.xml:3: <body name=\"b\">: unexpected text `words`"),
        (in_body(&format!("<joint name='a'/><joint name='a'/>{geom}")), "two joint elements are called `a`"),
        (in_body(&format!("{geom}<body><freejoint/>{geom}</body>")), "a free joint must be the only joint of a body"),
        (message("<mujoco><option solver=\"PGS\"/></mujoco>"), "<option>: `solver` is `PGS`, supported: Newton"),
        (message("<mujoco><option timestep=\"0\"/></mujoco>"), "`timestep` is 0, expected more than 0"),
        (
            message("<mujoco><option><flag override=\"enable\"/></option></mujoco>"),
            "`override` is `enable`, supported: disable",
        ),
        (message("<mujoco><equality><weld/></equality></mujoco>"), "<weld>: is not supported inside <equality>"),
        (
            message("<mujoco><sensor><camprojection/></sensor></mujoco>"),
            "<camprojection>: is not supported inside <sensor>",
        ),
        (message("<robot/>"), "model.xml:1: <robot>: the outermost element must be <mujoco>"),
        (message("<mujoco>\n<worldbody>"), "model.xml: "),
        (
            message("<mujoco><default><default class='a'><default class='a'/></default></default></mujoco>"),
            "<default>: class `a` is defined twice, or inside itself",
        ),
        (message("<mujoco><actuator><motor joint='j'/></actuator></mujoco>"), "`joint` names the unknown joint `j`"),
        (
            message(
                "<mujoco><worldbody><site name='s' type='box'/></worldbody><sensor><touch site='s'/></sensor></mujoco>",
            ),
            "<touch>: `site` of a touch sensor must be a sphere or an ellipsoid",
        ),
        (message("<mujoco><actuator><muscle/></actuator></mujoco>"), "<muscle>: is not supported inside <actuator>"),
        (message("<mujoco><keyframe><key qpos='1'/></keyframe></mujoco>"), "expected"),
        (message("<mujoco><include file='nowhere.xml'/></mujoco>"), "<include>: nowhere.xml"),
    ];
    for (got, want) in cases {
        assert!(got.contains(want), "got      {got}\nexpected {want}");
        assert_eq!(got.lines().count(), 1, "{got}");
    }
}

#[test]
fn shapes_whose_contacts_are_not_computed_are_refused_unless_they_cannot_touch() {
    let scene = |bits: &str| {
        format!(
            "<mujoco><worldbody><geom name=\"floor\" type=\"plane\" size=\"1 1 1\"/>
<body><freejoint/><geom name=\"can\" type=\"cylinder\" size=\"0.1 0.1\" {bits}/></body></worldbody></mujoco>"
        )
    };
    let got = message(&scene(""));
    let want =
        "model.xml:2: <geom name=\"can\">: contacts of a plane (`floor`) with a cylinder (`can`) are not supported";
    assert!(got.contains(want), "{got}");
    mjcf::parse(&scene("contype=\"0\" conaffinity=\"0\""), "model.xml").unwrap();
    let off = scene("").replace("<worldbody>", "<option><flag contact=\"disable\"/></option><worldbody>");
    mjcf::parse(&off, "model.xml").unwrap();
}

#[test]
fn a_file_that_includes_itself_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.xml");
    std::fs::write(&path, "<mujoco>\n<include file=\"b.xml\"/></mujoco>").unwrap();
    std::fs::write(folder.path().join("b.xml"), "<mujocoinclude>\n\n<include file=\"a.xml\"/></mujocoinclude>")
        .unwrap();
    let got = mjcf::read(&path).unwrap_err().to_string();
    assert!(got.contains("b.xml:3: <include>: `a.xml` is included more than once"), "{got}");
}

#[test]
fn one_orientation_has_many_notations() {
    let quaternion = |attribute: &str| {
        let text =
            format!("<mujoco><worldbody><body {attribute}><joint/><geom size='0.1'/></body></worldbody></mujoco>");
        mjcf::parse(&text, "model.xml").unwrap().bodies[1].frame.rotation
    };
    let half = 0.5_f64.sqrt();
    let want = quaternion(&format!("quat='{half} {half} 0 0'"));
    for attribute in ["euler='90 0 0'", "axisangle='2 0 0 90'", "xyaxes='1 0 0 0 0 1'", "zaxis='0 -3 0'"] {
        let got = quaternion(attribute);
        assert!(got.angle_between(want) < 1e-7, "{attribute}: {got}");
    }
}
