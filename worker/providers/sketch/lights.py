"""The hours and weathers that the painter knows, as data."""

from __future__ import annotations

from dataclasses import dataclass

Lch = tuple[float, float, float]
"""Lightness 0 to 1, chroma, hue in degrees (OKLCH)."""


@dataclass(frozen=True, slots=True)
class Light:
    """One light.

    Attributes:
        zenith: the sky's colours from its top down to the `horizon`.
        body: the colour of sun or moon; `moon` says which; `height` is its place: 0 the horizon, 1 the top.
        glow: the light around it.
        key: the light that falls on things; `shade` what reaches them elsewhere.
        haze: what far things fade into.
        cloud_lit: clouds where the light meets them; `cloud_dark` where not; `clouds` how much of the sky is clouded.
        disc: the radius of the body as a share of the picture's shorter side; `veil` how soft its edge is, 0 to 1.
        stars: how many are seen, 0 to 1.
        mist: how thick the air is: 0 clear, 1 thick.
    """

    name: str
    zenith: Lch
    upper: Lch
    lower: Lch
    horizon: Lch
    body: Lch
    glow: Lch
    key: Lch
    shade: Lch
    haze: Lch
    cloud_lit: Lch
    cloud_dark: Lch
    height: float
    clouds: float
    moon: bool = False
    disc: float = 0.046
    veil: float = 0.0
    stars: float = 0.0
    mist: float = 0.3


LIGHTS: dict[str, Light] = {
    light.name: light
    for light in (
        Light(
            "dawn",
            zenith=(0.56, 0.085, 262),
            upper=(0.71, 0.075, 300),
            lower=(0.84, 0.085, 25),
            horizon=(0.935, 0.075, 80),
            body=(0.985, 0.04, 95),
            glow=(0.90, 0.11, 55),
            key=(0.86, 0.09, 60),
            shade=(0.50, 0.06, 290),
            haze=(0.86, 0.055, 40),
            cloud_lit=(0.93, 0.06, 50),
            cloud_dark=(0.70, 0.06, 320),
            height=0.18,
            clouds=0.42,
            stars=0.05,
            mist=0.55,
        ),
        Light(
            "day",
            zenith=(0.55, 0.135, 252),
            upper=(0.67, 0.115, 245),
            lower=(0.81, 0.075, 232),
            horizon=(0.93, 0.035, 215),
            body=(0.995, 0.02, 100),
            glow=(0.97, 0.04, 100),
            key=(0.92, 0.03, 90),
            shade=(0.60, 0.05, 250),
            haze=(0.87, 0.04, 232),
            cloud_lit=(0.99, 0.006, 90),
            cloud_dark=(0.82, 0.03, 255),
            height=0.78,
            clouds=0.46,
            mist=0.3,
            disc=0.032,
            veil=0.35,
        ),
        Light(
            "golden hour",
            zenith=(0.56, 0.085, 245),
            upper=(0.72, 0.055, 230),
            lower=(0.86, 0.075, 88),
            horizon=(0.93, 0.10, 82),
            body=(0.99, 0.05, 98),
            glow=(0.92, 0.13, 78),
            key=(0.90, 0.11, 72),
            shade=(0.48, 0.05, 280),
            haze=(0.87, 0.085, 78),
            cloud_lit=(0.95, 0.075, 80),
            cloud_dark=(0.70, 0.05, 30),
            height=0.30,
            clouds=0.42,
            mist=0.45,
        ),
        Light(
            "dusk",
            zenith=(0.33, 0.105, 280),
            upper=(0.47, 0.135, 315),
            lower=(0.68, 0.165, 20),
            horizon=(0.86, 0.135, 65),
            body=(0.965, 0.09, 85),
            glow=(0.82, 0.165, 52),
            key=(0.76, 0.14, 50),
            shade=(0.36, 0.075, 300),
            haze=(0.71, 0.13, 28),
            cloud_lit=(0.80, 0.15, 42),
            cloud_dark=(0.42, 0.10, 325),
            height=0.12,
            clouds=0.50,
            stars=0.15,
            mist=0.4,
        ),
        Light(
            "night",
            zenith=(0.16, 0.055, 272),
            upper=(0.22, 0.07, 268),
            lower=(0.31, 0.075, 258),
            horizon=(0.43, 0.07, 240),
            body=(0.96, 0.025, 95),
            glow=(0.62, 0.07, 245),
            key=(0.48, 0.055, 245),
            shade=(0.26, 0.06, 268),
            haze=(0.36, 0.07, 250),
            cloud_lit=(0.47, 0.05, 250),
            cloud_dark=(0.22, 0.05, 270),
            height=0.66,
            clouds=0.34,
            moon=True,
            stars=1.0,
            mist=0.4,
            disc=0.040,
        ),
        Light(
            "storm",
            zenith=(0.30, 0.025, 255),
            upper=(0.41, 0.028, 245),
            lower=(0.56, 0.03, 225),
            horizon=(0.80, 0.05, 110),
            body=(0.90, 0.03, 100),
            glow=(0.80, 0.05, 105),
            key=(0.64, 0.03, 120),
            shade=(0.40, 0.028, 245),
            haze=(0.60, 0.025, 215),
            cloud_lit=(0.70, 0.02, 220),
            cloud_dark=(0.25, 0.022, 260),
            height=0.22,
            clouds=0.80,
            mist=0.5,
            disc=0.0,
        ),
        Light(
            "mist",
            zenith=(0.76, 0.03, 235),
            upper=(0.81, 0.025, 225),
            lower=(0.87, 0.02, 200),
            horizon=(0.92, 0.02, 110),
            body=(0.98, 0.02, 95),
            glow=(0.95, 0.03, 90),
            key=(0.80, 0.02, 100),
            shade=(0.60, 0.03, 235),
            haze=(0.88, 0.018, 205),
            cloud_lit=(0.94, 0.012, 100),
            cloud_dark=(0.80, 0.02, 240),
            height=0.42,
            clouds=0.30,
            mist=1.0,
            disc=0.042,
            veil=0.25,
        ),
        Light(
            "winter light",
            zenith=(0.70, 0.05, 250),
            upper=(0.79, 0.042, 245),
            lower=(0.88, 0.028, 235),
            horizon=(0.955, 0.015, 200),
            body=(0.99, 0.012, 100),
            glow=(0.97, 0.02, 90),
            key=(0.93, 0.012, 100),
            shade=(0.66, 0.05, 255),
            haze=(0.91, 0.022, 240),
            cloud_lit=(0.98, 0.006, 100),
            cloud_dark=(0.82, 0.025, 250),
            height=0.48,
            clouds=0.38,
            mist=0.6,
            disc=0.036,
            veil=0.40,
        ),
    )
}
