"""Makes the embedded hand model: ``python -m hand.build`` writes ``assets/hand_model/`` again, byte for byte.

The way from figures to a model in MANO's format, one module per step:

    anthropometry      measures of the reference hand and the ten named proportions, with their sources
    skeleton           measures -> 16 rest joints, their anatomical axes, five finger tips; forward kinematics
    primitives         signed distances of round cones and ellipsoids, smooth union
    implicit           skeleton -> the skin as the zero level of a signed distance, in any pose
    quad_mesh          neighbours, smoothing, triangles of a quad mesh
    cage               a quad mesh of fixed topology shrink-wrapped onto the skin
    skinning           smooth blend weights
    correctives        pose-dependent displacements, fitted to the posed implicit skin
    shape_space        ten linear shape directions, by finite differences of the proportions
    joint_regressor    joints as convex combinations of vertices
    pose_statistics    mean pose and PCA basis of natural poses
    assemble           all of it together, in MANO's rest frame and units
    write              the npz file, deterministic to the byte
    crossings          how deep a posed hand goes into itself
    card               what the model is and how good, in words and figures
    contact_sheet      pictures of the named poses

Inside this package lengths are millimetres and the frame is the *anatomical* one of a right hand: +x radial
(towards the thumb), +y distal, +z palmar, wrist joint at the origin. ``assemble`` alone turns that into metres and
MANO's rest frame.

Nothing outside this package imports it while the product runs: it needs SciPy and takes about half a minute.
"""
