import Testing

@testable import HTTP

@Suite struct CancellationTests {
    /// Those that began before, and those that begin after; however long they would take.
    @Test(.timeLimit(.minutes(1)), arguments: [Duration.seconds(1_000_000), .seconds(Int64.max)])
    func endsWaits(duration: Duration) throws {
        let cancellation = HTTPClient.Cancellation()
        let threads = try (0..<4).map { _ in
            try #require(NamedThread("wait") { cancellation.wait(duration) })
        }
        cancellation.cancel()
        for thread in threads { thread.join() }
        cancellation.wait(duration)
        #expect(cancellation.isCancelled)
    }

    @Test(arguments: [Duration.seconds(-1), .zero, .nanoseconds(1), .milliseconds(20)])
    func waitsUntilTheTimeHasCome(duration: Duration) {
        let cancellation = HTTPClient.Cancellation()
        let begun = ContinuousClock.now
        cancellation.wait(duration)
        #expect(begun.duration(to: .now) >= duration)
        #expect(!cancellation.isCancelled)
    }
}
