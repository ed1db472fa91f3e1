import ChoraleBase
import ChoraleTypes
import Operations

/// What of operations a proposer puts into its block.
struct ItemSelection {
    /// For items but logs: the rest of ``BlockBody/itemsSizeMax`` and of ``BlockBody/itemsMax`` is for logs.
    static let sizeMax = 64 << 10
    static let countMax = 256

    /// As a block has them.
    var items: [ChainItem] = []
    /// At the end of a block with them that logs nothing.
    var registry: OperationRegistry
}

/// What of a block is left for logs of the operations contract.
struct LogRoom {
    private var count = BlockBody.itemsMax - ItemSelection.countMax
    private var size = BlockBody.itemsSizeMax - ItemSelection.sizeMax

    /// Returns whether there is room for them, which then is taken.
    mutating func take(_ logs: [ContractLog]) -> Bool {
        var taken = 0
        for log in logs {
            guard let item = ChainItem.log(log).blockItem else { return false }
            taken += item.content.count
        }
        guard logs.count <= count, taken <= size else { return false }
        count -= logs.count
        size -= taken
        return true
    }
}

extension ChainHead {
    /// Those of `candidates` that the next block may have, as many as fit. Each is tried by itself on what those
    /// before it leave, so that one that is wrong, or too late, costs no more than its own place.
    ///
    /// Signatures were checked when the candidates came.
    func admissibleItems(
        _ candidates: [ChainItem], _ parameters: ChainParameters
    ) -> ItemSelection {
        var stepper = OperationStepper(
            after: self, beacon: .zero, parameters, signatures: .wereChecked)
        var items: [ChainItem] = []
        var size = 0
        for candidate in candidates.sorted(by: { $0.kind < $1.kind }) {
            guard items.count < ItemSelection.countMax else { break }
            guard let item = candidate.blockItem,
                size + item.content.count <= ItemSelection.sizeMax
            else { continue }
            do throws(OperationRuleFault) {
                try stepper.take(candidate)
            } catch {
                continue
            }
            size += item.content.count
            items.append(candidate)
        }
        return ItemSelection(items: items, registry: stepper.registry)
    }
}
