import ChoraleBase
import Codec
import Execution
import Glibc

/// Sends signed transactions to a node at a rate and follows them into blocks.
///
/// Each account has its own line of nonces; accounts take turns. With a mix, every fourth transaction
/// calls a contract that counts, and every 64th creates another; the rest are transfers between the
/// accounts.
final class LoadGenerator {
    struct Settings {
        /// Transactions a second; 0 for as many as the node takes.
        var rate: Double
        /// Seconds during which transactions are sent.
        var duration: Double
        var isMixed = false
        /// Seconds to wait afterwards for those that are sent.
        var patience: Double
    }

    private let client: ChainClient
    private let accounts: [LoadAccount]
    private let settings: Settings
    private let chainID: UInt64
    private(set) var ledger: LoadLedger
    /// When sending began; asking for the accounts is no part of it.
    private var start = LoadGenerator.now()
    private var height: UInt64
    private var baseFee = UInt256(1_000_000_000)
    private var count = 0
    /// A creation that is on its way, and the contract that came of one.
    private var creation: Bytes32?
    private var contract: Address?
    private var lastReport = 0.0

    /// Milliseconds of a clock that only goes forward.
    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) * 1000 + Double(time.tv_nsec) / 1e6
    }

    private var elapsed: Double { Self.now() - start }

    /// Asks the node for its chain and for the accounts.
    ///
    /// - Throws: when it does not answer, or no account has a tenth of an ether.
    init(
        _ address: HTTPAddress, _ accounts: [LoadAccount], _ settings: Settings
    ) throws(Failure) {
        client = ChainClient(address)
        self.settings = settings
        var funded: [LoadAccount] = []
        var nonces: [UInt64] = []
        do throws(ChainClient.CallError) {
            chainID = try client.chainID()
            height = try client.blockNumber()
            for account in accounts
            where try client.balance(of: account.address) > UInt256(100_000_000_000_000_000) {
                funded.append(account)
                nonces.append(try client.nonce(of: account.address))
            }
        } catch {
            throw error.failure
        }
        guard !funded.isEmpty else {
            throw Failure("none of the \(accounts.count) accounts has a tenth of an ether there")
        }
        self.accounts = funded
        ledger = LoadLedger(nonces: nonces)
    }

    var accountCount: Int { accounts.count }

    /// Sends for the time that is set, then waits for what was sent.
    ///
    /// - Parameter report: called about every five seconds.
    /// - Returns: seconds during which transactions were sent.
    func run(_ report: (LoadLedger, _ seconds: Double) -> Void) throws(Failure) -> Double {
        start = Self.now()
        let end = settings.duration * 1000
        var attempts = 0
        while elapsed < end {
            let due = settings.rate > 0 ? Int(elapsed / 1000 * settings.rate) + 1 : .max
            // A slow node is not flooded with what it missed: each turn sends at most so many.
            var budget = 64
            while attempts < due, budget > 0, elapsed < end, try sendOne() {
                attempts += 1
                budget -= 1
            }
            // What could not be sent in its time is not sent later.
            if settings.rate > 0 { attempts = max(attempts, due - 64) }
            try follow()
            if elapsed - lastReport >= 5000 {
                lastReport = elapsed
                report(ledger, elapsed / 1000)
            }
            usleep(5000)
        }
        let sending = elapsed / 1000
        while ledger.waiting > 0, elapsed < end + settings.patience * 1000 {
            try follow()
            usleep(20_000)
        }
        return sending
    }

    // MARK: Sending

    /// - Returns: false when no account may send now.
    private func sendOne() throws(Failure) -> Bool {
        guard let (sender, nonce) = ledger.next() else { return false }
        count += 1
        let creates = settings.isMixed && creation == nil && (contract == nil || count % 64 == 0)
        let transaction = transaction(from: sender, nonce: nonce, creates: creates)
            .signed(by: accounts[sender].key)
        let hash = transaction.hash
        do throws(ChainClient.CallError) {
            let said = try client.send(transaction.encoded)
            guard said == hash else {
                throw .failed(Failure("the node calls the transaction 0x\(hash) 0x\(said)"))
            }
            ledger.taken(hash, sender: sender, at: elapsed)
            if creates { creation = hash }
        } catch {
            guard case .refused(let refusal) = error else { throw error.failure }
            ledger.refused(refusal.message)
            try synchronise(sender)
            return false
        }
        return true
    }

    private func transaction(from sender: Int, nonce: UInt64, creates: Bool) -> Transaction {
        let tip = UInt256(1_000_000_000)
        var transaction = Transaction(
            kind: .dynamicFee, chainID: UInt256(chainID), nonce: nonce, maxPriorityFeePerGas: tip,
            maxFeePerGas: (baseFee << 1) &+ tip, gasLimit: 21_000,
            to: accounts[(sender + 1 + count % accounts.count) % accounts.count].address,
            value: .one, data: [])
        if creates {
            transaction.to = nil
            transaction.value = .zero
            transaction.gasLimit = 120_000
            transaction.data = Self.creationCode
        } else if settings.isMixed, count % 4 == 0, let contract {
            transaction.to = contract
            transaction.value = .zero
            transaction.gasLimit = 60_000
        }
        return transaction
    }

    /// Creates a contract that adds one to its slot 0: PUSH8 code, PUSH0 MSTORE, PUSH1 8 PUSH1 24 RETURN; the
    /// code is PUSH0 SLOAD PUSH1 1 ADD PUSH0 SSTORE STOP.
    private static let creationCode: [UInt8] =
        [0x67, 0x5F, 0x54, 0x60, 0x01, 0x01, 0x5F, 0x55, 0x00]
        + [0x5F, 0x52, 0x60, 0x08, 0x60, 0x18, 0xF3]

    private func synchronise(_ sender: Int) throws(Failure) {
        do throws(ChainClient.CallError) {
            let nonce = try client.nonce(of: accounts[sender].address)
            ledger.synchronise(sender, nonce: nonce, at: elapsed)
        } catch {
            throw error.failure
        }
    }

    // MARK: Following

    /// Looks at the blocks that came since.
    private func follow() throws(Failure) {
        do throws(ChainClient.CallError) {
            let latest = try client.blockNumber()
            while height < latest, let block = try client.block(height + 1) {
                height += 1
                baseFee = block.baseFee
                ledger.block(block.transactions, gasUsed: block.gasUsed, at: elapsed)
                if let hash = creation, block.transactions.contains(hash) {
                    contract = try client.contract(of: hash) ?? contract
                    creation = nil
                }
            }
        } catch {
            throw error.failure
        }
        for sender in ledger.stuck(at: elapsed) {
            try synchronise(sender)
            // A creation that was lost would be waited for for ever.
            if contract == nil { creation = nil }
        }
    }
}
