public import ChoraleBase

/// Checks evidence of trusted hardware: whole chains to the makers' roots, with revocation, at a time
/// that the caller gives.
///
/// A pure function of its arguments: the same on every node, at any time after.
public struct AttestationVerifier: Hashable, Sendable {
    let anchors: TrustAnchors

    public init() { anchors = .pinned }

    /// For tests, which have roots of their own.
    package init(anchors: TrustAnchors) { self.anchors = anchors }

    /// Checks evidence and its collateral.
    ///
    /// - Parameter now: the time at which it must hold, never a clock's in anything that nodes compare.
    /// - Throws: the first thing that is wrong.
    public func verify(
        _ evidence: Evidence, with collateral: Collateral, now: WallTime
    ) throws(AttestationFault) -> VerifiedAttestation {
        switch (evidence.kind, collateral) {
        case (.sgx, .intel(let intel)), (.tdx, .intel(let intel)):
            try verify(evidence, with: check(intel), now: now)
        case (.sevSNP, .amd(let amd)):
            try SNPVerifier(anchors: anchors).verify(evidence, with: amd, now: now)
        case (.nitro, .none):
            try NitroVerifier(anchors: anchors).verify(evidence, now: now)
        default: throw .collateralDoesNotFit(evidence.kind)
        }
    }

    /// Checks what does not depend on a quote, once for many.
    public func check(
        _ collateral: IntelCollateral
    ) throws(AttestationFault) -> CheckedIntelCollateral {
        try CheckedIntelCollateral(collateral, anchors: anchors)
    }

    /// Checks a quote with collateral that was checked before.
    ///
    /// What depends on the time is checked here, again for each quote.
    public func verify(
        _ evidence: Evidence, with collateral: CheckedIntelCollateral, now: WallTime
    ) throws(AttestationFault) -> VerifiedAttestation {
        guard evidence.kind == .sgx || evidence.kind == .tdx else {
            throw .collateralDoesNotFit(evidence.kind)
        }
        return try QuoteVerifier(anchors: anchors).verify(evidence, with: collateral, now: now)
    }
}
