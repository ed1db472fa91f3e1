import ChoraleBase
import Codec
import Crypto
import Execution

extension FuzzTarget {
    static let executionTargets: [FuzzTarget] = [
        FuzzTarget(
            "header", "a header of any fork; what decodes encodes to the same bytes",
            seeds: { [14, 15, 16, 19, 20].map(headerSeed) }, run: header),
        FuzzTarget(
            "transaction",
            "a transaction of any type: the same bytes, one sender, checks at every fork",
            seeds: {
                Transaction.Kind.allCases.flatMap { kind in
                    [transactionSeed(kind), transactionSeed(kind, isSmall: true)]
                }
            }, run: transaction),
        FuzzTarget(
            "block", "a whole block: the same bytes, roots of its lists, checks of its header",
            seeds: blockSeeds, run: block),
        FuzzTarget(
            "uint256", "words; arithmetic against long multiplication and division bit by bit",
            sizeMax: 256,
            seeds: {
                [
                    Array(1...99), [UInt8](repeating: 0xFF, count: 99),
                    [3] + [UInt8](repeating: 0, count: 31) + [7],
                ]
            }, run: words),
    ]

    // MARK: Headers

    private static func header(_ input: [UInt8], _ findings: inout Findings) {
        do throws(RLPError) {
            let header = try Header(input.span)
            require(header.encoded == input, "a header with two encodings")
            require(header.hash == Keccak256.hash(input), "another hash")
            findings.note("header", size: input.count)
            judge(header, &findings)
        } catch {
            findings.note("header", error)
        }
    }

    /// Checks a header after itself and after a parent that its own numbers point to: each rule
    /// answers, whatever the numbers.
    private static func judge(_ header: Header, _ findings: inout Findings) {
        var parent = header
        parent.number = header.number &- 1
        parent.timestamp = header.timestamp &- 1
        var child = header
        child.parentHash = parent.hash
        child.baseFeePerGas = header.baseFeePerGas.map { _ in parent.baseFeeOfNext }
        for rules in ChainOfForks.all {
            let epoch = rules.epoch(at: 0)
            if child.excessBlobGas != nil {
                child.excessBlobGas = parent.excessBlobGasOfNext(epoch)
            }
            for candidate in [header, child] {
                do throws(BlockRejection) {
                    try candidate.check(after: parent, epoch)
                    findings.note("proper header", epoch.fork)
                } catch {
                    findings.note("header", error)
                }
            }
            // Whatever the excess, it has a price.
            require(
                epoch.blobs.baseFee(excess: header.excessBlobGas ?? 0) >= .one, "a free blob")
        }
    }

    /// A header with so many fields: London's 16, Shanghai's 17, Cancun's 20, Prague's 21, or too few.
    private static func headerSeed(_ fieldCount: Int) -> [UInt8] {
        var header = Template.block.header
        header.gasLimit = 30_000_000
        header.gasUsed = 15_000_000
        header.number = 7
        header.timestamp = 1_700_000_000
        header.ommersHash = Header.emptyOmmersHash
        header.extraData = [1, 2, 3]
        if fieldCount > 14 { header.baseFeePerGas = UInt256(1_000_000_007) }
        if fieldCount > 15 { header.withdrawalsRoot = Trie.emptyRoot }
        if fieldCount > 16 {
            header.blobGasUsed = 1 << 17
            header.excessBlobGas = 1 << 20
            header.parentBeaconRoot = .zero
        }
        if fieldCount > 19 { header.requestsHash = ExecutionRequests.hash([]) }
        return header.encoded
    }

    // MARK: Transactions

    private static func transaction(_ input: [UInt8], _ findings: inout Findings) {
        do throws(TransactionError) {
            let transaction = try Transaction(input.span)
            require(transaction.encoded == input, "a transaction with two encodings")
            require(transaction.hash == Keccak256.hash(input), "another hash")
            judge(transaction, &findings)
            let sender = try transaction.sender()
            require(try transaction.sender() == sender, "two senders")
            var other = transaction
            other.value = other.value &+ .one
            if let second = try? other.sender() {
                require(second != sender, "a signature for two transactions")
            }
            findings.note("sender", transaction.kind)
        } catch {
            findings.note("transaction", error)
        }
    }

    private static func judge(_ transaction: Transaction, _ findings: inout Findings) {
        findings.note("kind", transaction.kind)
        for authorization in transaction.authorizations {
            do throws(TransactionError) {
                findings.note("authority", size: Int(try authorization.authority().storage[0]))
            } catch {
                findings.note("authorization", error)
            }
        }
        for fork in Fork.allCases {
            let gas = transaction.intrinsicGas(at: fork)
            require(gas.initial >= 21_000, "a transaction for less than 21,000 gas")
            do throws(TransactionFault) {
                try transaction.check(at: fork, chainID: 1)
                require(
                    transaction.gasLimit >= max(gas.initial, gas.floor), "gas that does not do")
                findings.note("proper transaction", fork)
            } catch {
                findings.note("fault", error)
            }
        }
    }

    /// A transaction that somebody has signed.
    private static func transactionSeed(
        _ kind: Transaction.Kind, isSmall: Bool = false
    ) -> [UInt8] {
        var transaction = Template.transaction
        transaction.kind = kind
        transaction.chainID = isSmall && kind == .legacy ? nil : .one
        transaction.to = kind == .accessList && isSmall ? nil : Address(UInt256(0xC0DE))
        transaction.nonce = 9
        transaction.gasLimit = 90_000
        transaction.maxFeePerGas = UInt256(20_000_000_000)
        transaction.maxPriorityFeePerGas =
            kind == .legacy || kind == .accessList ? transaction.maxFeePerGas : .one
        transaction.value = UInt256(1, 0, 0, 0) >> 130
        if !isSmall {
            transaction.data = [0, 1, 2]
            if kind != .legacy {
                transaction.accessList = [
                    .init(address: Address(.one), slots: [.zero, Trie.emptyRoot])
                ]
            }
        }
        if kind == .blob {
            transaction.maxFeePerBlobGas = .one
            transaction.blobHashes = [UInt256(1 << 56, 0, 0, 5).bytes32]
        }
        if kind == .setCode { transaction.authorizations = [Template.authorization(1)] }
        transaction.sign()
        return transaction.encoded
    }

    // MARK: Blocks

    private static func block(_ input: [UInt8], _ findings: inout Findings) {
        do throws(BlockError) {
            let block = try Block(input.span)
            require(block.encoded == input, "a block with two encodings")
            findings.note("transactions", size: block.transactions.count)
            findings.note("withdrawals", size: block.withdrawals?.count ?? -1)
            let root = Trie.root(ofList: block.transactions.map(\.encoded))
            require(
                (root == Trie.emptyRoot) == block.transactions.isEmpty, "a root of something else")
            // Nothing is at hand to execute it with, which is an answer too.
            for rules in ChainOfForks.all {
                let execution = StatelessExecution(rules: rules)
                do throws(StatelessFailure) {
                    _ = try execution.verdict(input.span, Witness())
                    require(false, "a verdict without a witness")
                } catch {
                    findings.note("verdict", error)
                }
            }
        } catch {
            findings.note("block", error)
        }
    }

    private static func blockSeeds() -> [[UInt8]] {
        var plain = Template.block
        plain.withdrawals = nil
        var whole = Template.block
        whole.withdrawals = [
            Withdrawal(index: 1, validatorIndex: 2, address: Address(.one), amount: 3)
        ]
        whole.transactions = [Transaction.Kind.legacy, .dynamicFee].compactMap {
            try? Transaction(transactionSeed($0, isSmall: true).span)
        }
        return [plain.encoded, whole.encoded]
    }

    // MARK: Words

    private static func words(_ input: [UInt8], _ findings: inout Findings) {
        var program = Program(input)
        func word() -> UInt256 {
            let size = program.below(34)
            let word = UInt256(bigEndian: program.take(min(size, 32)).span) ?? .zero
            // All ones below and above the end: where carries run furthest.
            return size == 33 ? .max << program.below(256) : word
        }
        let (a, b, c) = (word(), word(), word())
        let slow = SlowWords.self
        require(a &+ b == slow.sum(a, b).low, "sum")
        require(a.addingReportingCarry(b).carry == slow.sum(a, b).carry, "carry")
        require(a &- b &+ b == a, "difference")
        require(a.subtractingReportingBorrow(b).borrow == (a < b), "borrow")
        let product = a.multipliedFullWidth(by: b)
        require(product == slow.product(a, b), "product")
        require(a &* b == product.low, "low product")
        let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
        let expected = slow.division(high: .zero, low: a, by: b)
        require(quotient == expected.quotient && remainder == expected.remainder, "quotient")
        require(
            a.multiplied(by: b, modulo: c)
                == slow.division(high: product.high, low: product.low, by: c).remainder, "mulmod")
        let sum = slow.sum(a, b)
        require(
            a.adding(b, modulo: c)
                == slow.division(high: sum.carry ? .one : .zero, low: sum.low, by: c).remainder,
            "addmod")
        require(a.power(UInt256(b.l0 & 0xFFF)) == slow.power(a, b.l0 & 0xFFF), "power")
        signed(a, b)
        shifts(a, Int(b.l0 & 0x1FF))
        require(UInt256(a.bytes32) == a, "bytes")
        require(UInt256(bigEndian: a.minimalBytes.span) == a, "minimal bytes")
        require(a.minimalBytes.first != 0, "a leading zero")
        findings.note("quotient", size: quotient.bitWidth)
        findings.note("remainder", size: remainder.bitWidth)
        findings.note("divisor", size: b.bitWidth)
        findings.note("modulus", size: c.bitWidth)
    }

    private static func signed(_ a: UInt256, _ b: UInt256) {
        func magnitude(_ word: UInt256) -> UInt256 { word.isNegative ? .zero &- word : word }
        let (quotient, remainder) = magnitude(a).quotientAndRemainder(dividingBy: magnitude(b))
        require(
            a.quotientSigned(dividingBy: b)
                == (a.isNegative == b.isNegative ? quotient : .zero &- quotient), "signed quotient")
        require(
            a.remainderSigned(dividingBy: b) == (a.isNegative ? .zero &- remainder : remainder),
            "signed remainder")
        let bias = UInt256(1 << 63, 0, 0, 0)
        require(a.isLessSigned(b) == (a ^ bias < b ^ bias), "signed order")
    }

    private static func shifts(_ a: UInt256, _ count: Int) {
        var (left, right, ones) = (a, a, UInt256.max)
        for _ in 0..<count {
            left = left &+ left
            right = right.quotientAndRemainder(dividingBy: UInt256(2)).quotient
            ones = ones.quotientAndRemainder(dividingBy: UInt256(2)).quotient
        }
        let arithmetic = a.isNegative ? right | ~ones : right
        require(a << count == left, "shift left")
        require(a >> count == right, "shift right")
        require(a.shiftedRightSigned(count) == arithmetic, "signed shift")
        let size = count & 63
        let extended = a.signExtended(fromByte: size)
        for index in 0..<256 {
            let source = size < 31 ? min(index, 8 * size + 7) : index
            require(extended.bit(index) == a.bit(source), "sign extension")
        }
    }
}

/// Arithmetic as it is taught: one bit after the other.
private enum SlowWords {
    static func sum(_ a: UInt256, _ b: UInt256) -> (low: UInt256, carry: Bool) {
        var carry = false
        var bits: [Bool] = []
        for index in 0..<256 {
            let (x, y) = (a.bit(index), b.bit(index))
            bits.append((x != y) != carry)
            carry = (x && y) || (carry && (x || y))
        }
        return (word(bits), carry)
    }

    static func product(_ a: UInt256, _ b: UInt256) -> (high: UInt256, low: UInt256) {
        // Columns of products of bytes; each column is below 2²².
        var columns = [UInt64](repeating: 0, count: 64)
        for i in 0..<32 {
            for j in 0..<32 { columns[i + j] += UInt64(a.byte(31 - i)) * UInt64(b.byte(31 - j)) }
        }
        var bytes = [UInt8](repeating: 0, count: 64)
        var carry: UInt64 = 0
        for index in 0..<64 {
            let column = columns[index] + carry
            bytes[63 - index] = UInt8(truncatingIfNeeded: column)
            carry = column >> 8
        }
        return (
            UInt256(bigEndian: bytes.span.extracting(0..<32)) ?? .zero,
            UInt256(bigEndian: bytes.span.extracting(32..<64)) ?? .zero
        )
    }

    /// Division by zero gives zeros.
    static func division(
        high: UInt256, low: UInt256, by divisor: UInt256
    ) -> (quotient: UInt256, remainder: UInt256) {
        guard !divisor.isZero else { return (.zero, .zero) }
        var remainder = UInt256.zero
        var bits = [Bool](repeating: false, count: 256)
        for index in (0..<512).reversed() {
            let next = index >= 256 ? high.bit(index - 256) : low.bit(index)
            let (doubled, carry) = remainder.addingReportingCarry(remainder)
            remainder = doubled | (next ? .one : .zero)
            if carry || remainder >= divisor {
                remainder = remainder &- divisor
                if index < 256 { bits[index] = true }
            }
        }
        return (word(bits), remainder)
    }

    static func power(_ base: UInt256, _ exponent: UInt64) -> UInt256 {
        var result = UInt256.one
        for index in (0..<12).reversed() {
            result = product(result, result).low
            if exponent >> UInt64(index) & 1 == 1 { result = product(result, base).low }
        }
        return result
    }

    /// The lowest bit first.
    private static func word(_ bits: [Bool]) -> UInt256 {
        var limbs: [UInt64] = [0, 0, 0, 0]
        for (index, bit) in bits.enumerated() where bit {
            limbs[index / 64] |= 1 << UInt64(index % 64)
        }
        return UInt256(limbs[3], limbs[2], limbs[1], limbs[0])
    }
}
