//! The distance that `distance` and `speed` share. No function of the language itself.
//!
//! By the haversine formula (R. W. Sinnott, Virtues of the Haversine, Sky and Telescope 68, 1984): on a sphere, so up
//! to half a percent off the earth's true shape.

use crate::event::Point;

/// The earth's mean radius R1 = (2a + b) / 3 of the GRS 80 ellipsoid, 6 371 008.7714 m, to a tenth of a metre
/// (H. Moritz, Geodetic Reference System 1980, Journal of Geodesy 74, 2000).
const RADIUS_KM: f64 = 6371.0088;

/// The length of the great circle between two places.
pub(super) fn haversine_km(from: &Point, to: &Point) -> f64 {
    let (from_latitude, to_latitude) = (from.latitude.to_radians(), to.latitude.to_radians());
    let latitudes = ((to_latitude - from_latitude) / 2.0).sin();
    let longitudes = ((to.longitude - from.longitude).to_radians() / 2.0).sin();
    let haversine = latitudes * latitudes + from_latitude.cos() * to_latitude.cos() * longitudes * longitudes;
    // Rounding can lift it above one for places that are opposite to each other, where the arc sine would be NaN.
    2.0 * RADIUS_KM * haversine.min(1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF_ROUND_KM: f64 = RADIUS_KM * std::f64::consts::PI;

    fn km(from: (f64, f64), to: (f64, f64)) -> f64 {
        let point = |(latitude, longitude)| Point { latitude, longitude };
        haversine_km(&point(from), &point(to))
    }

    fn assert_near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-6 * expected.max(1.0), "{actual} is not near {expected}");
    }

    #[test]
    fn known_arcs_of_the_sphere() {
        assert_near(km((0.0, 0.0), (0.0, 90.0)), HALF_ROUND_KM / 2.0);
        assert_near(km((0.0, 7.0), (1.0, 7.0)), HALF_ROUND_KM / 180.0);
        assert_near(km((60.0, 0.0), (60.0, 180.0)), HALF_ROUND_KM / 3.0);
        assert_near(km((90.0, 0.0), (90.0, 123.0)), 0.0);
    }

    #[test]
    fn the_date_line_is_no_border() {
        assert_near(km((0.0, 179.5), (0.0, -179.5)), HALF_ROUND_KM / 180.0);
        assert_near(km((10.0, -180.0), (10.0, 180.0)), 0.0);
    }

    #[test]
    fn opposite_places_are_half_a_round_apart() {
        for latitude in -90..=90 {
            let latitude = f64::from(latitude);
            assert_near(km((latitude, 13.4), (-latitude, -166.6)), HALF_ROUND_KM);
        }
    }
}
