import ChoraleBase

/// Which rules hold when: what nodes of one network agree on beforehand.
public struct ChainRules: Hashable, Sendable {
    /// Rules that hold from some time on.
    public struct Epoch: Hashable, Sendable {
        /// Seconds since 1970 of the first block.
        public var start: UInt64
        public var fork: Fork
        /// Of no meaning before Cancun.
        public var blobs: BlobSchedule

        public init(start: UInt64, fork: Fork, blobs: BlobSchedule) {
            self.start = start
            self.fork = fork
            self.blobs = blobs
        }
    }

    public var chainID: UInt64
    /// Whose logs are deposits (EIP-6110).
    public var depositContract: Address
    /// In order of their start, the first from zero on.
    public private(set) var epochs: [Epoch]

    /// - Precondition: there is an epoch, and they are in order.
    public init(
        chainID: UInt64, depositContract: Address = .mainnetDepositContract, epochs: [Epoch]
    ) {
        precondition(!epochs.isEmpty, "a chain has rules")
        precondition(
            zip(epochs, epochs.dropFirst()).allSatisfy { $0.start <= $1.start },
            "epochs are in order")
        self.chainID = chainID
        self.depositContract = depositContract
        self.epochs = epochs
    }

    /// The rules for a block of this time; those of the first epoch for times before it.
    public func epoch(at timestamp: UInt64) -> Epoch {
        epochs.last { $0.start <= timestamp } ?? epochs[0]
    }

    /// One fork from the beginning.
    public static func always(
        _ fork: Fork, blobs: BlobSchedule, chainID: UInt64 = 1
    ) -> ChainRules {
        ChainRules(chainID: chainID, epochs: [Epoch(start: 0, fork: fork, blobs: blobs)])
    }

    // MARK: Networks

    public static let mainnet = ChainRules(
        chainID: 1,
        epochs: epochs(
            shanghai: 1_681_338_455, cancun: 1_710_338_135, prague: 1_746_612_311,
            osaka: 1_764_798_551, bpo1: 1_765_290_071, bpo2: 1_767_747_671))

    public static let sepolia = ChainRules(
        chainID: 11_155_111, depositContract: .sepoliaDepositContract,
        epochs: epochs(
            shanghai: 1_677_557_088, cancun: 1_706_655_072, prague: 1_741_159_776,
            osaka: 1_760_427_360, bpo1: 1_761_017_184, bpo2: 1_761_607_008))

    public static let hoodi = ChainRules(
        chainID: 560_048,
        epochs: epochs(
            shanghai: 0, cancun: 0, prague: 1_742_999_832, osaka: 1_761_677_592,
            bpo1: 1_762_365_720, bpo2: 1_762_955_544))

    /// The network with this name, for commands and files.
    public static func named(_ name: String) -> ChainRules? {
        switch name {
        case "mainnet": mainnet
        case "sepolia": sepolia
        case "hoodi": hoodi
        default: nil
        }
    }

    private static func epochs(
        shanghai: UInt64, cancun: UInt64, prague: UInt64, osaka: UInt64, bpo1: UInt64,
        bpo2: UInt64
    ) -> [Epoch] {
        [
            Epoch(start: 0, fork: .paris, blobs: .cancun),
            Epoch(start: shanghai, fork: .shanghai, blobs: .cancun),
            Epoch(start: cancun, fork: .cancun, blobs: .cancun),
            Epoch(start: prague, fork: .prague, blobs: .prague),
            Epoch(start: osaka, fork: .osaka, blobs: .prague),
            Epoch(start: bpo1, fork: .osaka, blobs: .bpo1),
            Epoch(start: bpo2, fork: .osaka, blobs: .bpo2),
        ]
    }
}

extension Address {
    init(_ l2: UInt64, _ l1: UInt64, _ l0: UInt64) { self.init(UInt256(0, l2, l1, l0)) }

    public static let mainnetDepositContract = Address(
        0x0000_0000, 0x219A_B540_356C_BB83, 0x9CBE_0530_3D77_05FA)
    public static let sepoliaDepositContract = Address(
        0x7F02_C3E3, 0xC98B_1330_55B8_B348, 0xB2AC_6256_69ED_295D)

    /// Who calls the system contracts.
    static let system = Address(0xFFFF_FFFF, .max, .max - 1)
    /// EIP-4788.
    static let beaconRoots = Address(0x000F_3DF6, 0xD732_807E_F131_9FB7, 0xB8BB_8522_D0BE_AC02)
    /// EIP-2935.
    static let blockHashHistory = Address(
        0x0000_F908, 0x27F1_C53A_10CB_7A02, 0x335B_1753_2000_2935)
    /// EIP-7002.
    public static let withdrawalRequests = Address(
        0x0000_0961, 0xEF48_0EB5_5E80_D19A, 0xD835_79A6_4C00_7002)
    /// EIP-7251.
    static let consolidationRequests = Address(
        0x0000_BBDD, 0xC7CE_4886_42FB_579F, 0x8B00_F3A5_9000_7251)
}
