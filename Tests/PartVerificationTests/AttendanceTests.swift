import ChoraleBase
import ChoraleTypes
import OrderedCollections
import Testing

@testable import PartVerification

/// Who was asked first and has spoken.
@Suite struct AttendanceTests {
    @Test func silenceLowersAScoreAndNothingElse() throws {
        var settings = Network.Settings()
        settings.validators = 4
        settings.faults = [1: .silent]
        let network = Network(settings)
        network.commit(Work.small)
        #expect(network.run(blocks: 20) { network.isCertified(Work.small) })
        network.settle(Work.small)
        network.advance()
        network.run(500)
        let silent = network.set.validators[1].key
        for node in network.nodes where node.fault == nil {
            let entry = try #require(node.silentValidators.first)
            #expect(node.silentValidators.count == 1)
            #expect(entry.validator == silent)
            // Two parts, and an eighth of what it was.
            #expect((entry.asked, entry.silent, entry.score) == (2, 2, 875))
            #expect(node.accusations.isEmpty && node.penalties.isEmpty)
        }
    }

    @Test func aScoreComesBack() throws {
        let key = Network().set.validators[0].key
        var book = AttendanceBook()
        for _ in 0..<40 { book.note(key, asked: 8, silent: 8) }
        #expect(try #require(book.entries[key]).score < 10)
        for _ in 0..<40 { book.note(key, asked: 8, silent: 0) }
        #expect(try #require(book.entries[key]).score > 990)
        book.note(key, asked: 0, silent: 0)
        #expect(book.entries[key]?.asked == 640)
    }
}
