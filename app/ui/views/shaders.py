"""The shaders of the 3D view: the light of :mod:`hand.shading`, per pixel, and the background of the software view."""

from __future__ import annotations

import logging

from PyQt6.QtOpenGL import QOpenGLShader, QOpenGLShaderProgram

logger = logging.getLogger(__name__)

MESH_VERTEX = """#version 410 core
layout(location = 0) in vec3 vertex;
layout(location = 1) in vec3 normal;
layout(location = 2) in vec3 surface;
uniform mat4 to_eye;
uniform mat4 to_clip;
uniform mat3 turn;
out vec3 eye_point;
out vec3 eye_normal;
out vec3 albedo;
void main() {
    vec4 point = to_eye * vec4(vertex, 1.0);
    eye_point = point.xyz;
    eye_normal = turn * normal;
    albedo = pow(surface, vec3(2.2));
    gl_Position = to_clip * point;
}
"""

MESH_FRAGMENT = """#version 410 core
in vec3 eye_point;
in vec3 eye_normal;
in vec3 albedo;
uniform float opacity;
uniform vec3 key_direction;
uniform vec3 fill_direction;
uniform float key, fill, sky, ground, wrap, gloss, rim;
out vec4 color;
void main() {
    vec3 n = normalize(eye_normal);
    vec3 v = normalize(-eye_point);
    float to_key = dot(n, key_direction);
    float up = 0.5 - 0.5 * n.y;
    float diffuse = key * max((to_key + wrap) / (1.0 + wrap), 0.0) + fill * max(dot(n, fill_direction), 0.0);
    diffuse += sky * up + ground * (1.0 - up);
    float halfway = max(dot(n, normalize(v + key_direction)), 0.0);
    float edge = pow(1.0 - clamp(dot(n, v), 0.0, 1.0), 3.0);
    float white = gloss * pow(halfway, 28.0) * clamp(4.0 * to_key, 0.0, 1.0) + rim * edge * (0.25 + 0.75 * up);
    color = vec4(pow(min(albedo * diffuse + white, vec3(1.0)), vec3(1.0 / 2.2)), opacity);
}
"""

STAGE_VERTEX = """#version 410 core
out vec2 place;
void main() {
    place = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
    gl_Position = vec4(place * 2.0 - 1.0, 0.0, 1.0);
}
"""

STAGE_FRAGMENT = """#version 410 core
in vec2 place;
uniform vec2 size;
uniform vec3 center;
uniform vec3 edge;
out vec4 color;
void main() {
    vec2 offset = vec2(place.x - 0.5, place.y - 0.54) * size / max(size.x, size.y);
    float share = smoothstep(0.0, 0.62, length(offset));
    float dither = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5453) - 0.5;
    color = vec4(mix(center, edge, share) + dither / 255.0, 1.0);
}
"""


def shader_program(vertex: str, fragment: str) -> QOpenGLShaderProgram:
    """Compiles and links; an error of the driver is logged."""
    program = QOpenGLShaderProgram()
    for kind, source in (
        (QOpenGLShader.ShaderTypeBit.Vertex, vertex),
        (QOpenGLShader.ShaderTypeBit.Fragment, fragment),
    ):
        if not program.addShaderFromSourceCode(kind, source):
            logger.error("shader: %s", program.log())
    if not program.link():
        logger.error("shader program: %s", program.log())
    return program
