//! The ways in which holders behave.

/// How a holder behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Holds it for a moment, and releases it.
    Brief,
    /// Holds it for longer than a lease, renewing it.
    Long,
    /// Holds it for longer than a failover takes, renewing it, if its lease is long too: whatever a failover has forgotten, somebody
    /// else gets meanwhile.
    Stays,
    /// Never renews it, and goes on as if it held it when the lease is over.
    TooLong,
    /// Holds it for some leases, asking for more time by itself.
    Extends,
    /// Drops the guard.
    Drops,
    /// Hands it over to whoever has the token, and may or may not take it over.
    HandsOver,
    /// Goes away while it waits.
    Cancels,
}

impl Way {
    /// Whether the lease is renewed for it.
    pub(super) fn renews(self) -> bool {
        !matches!(self, Self::TooLong | Self::Extends)
    }

    pub(super) fn choose(random: &mut fastrand::Rng) -> Self {
        // Those who hold for long are few, or nobody else would come to hold.
        match random.u16(..1000) {
            0..10 => Self::Long,
            10..70 => Self::TooLong,
            70..170 => Self::Drops,
            170..220 => Self::HandsOver,
            220..340 => Self::Cancels,
            340..440 => Self::Stays,
            440..500 => Self::Extends,
            _ => Self::Brief,
        }
    }
}
