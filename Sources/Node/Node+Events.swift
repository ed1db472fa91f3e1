import Swarm

extension Node {
    /// Hands the events among the outputs from `first` on to those who watch events.
    ///
    /// Called at the end of every input, so that an event is streamed with what caused it. A watcher
    /// whose last reply went out with this input gets nothing any more.
    func streamEvents(from first: Int, into outputs: inout [NodeOutput]) {
        guard commands.count > 0, first < outputs.count else { return }
        var events: [NodeEvent] = []
        for output in outputs[first...] {
            if case .event(let event) = output { events.append(event) }
        }
        guard !events.isEmpty else { return }
        let watchers = commands.eventWatchers
        for event in events {
            for watcher in watchers {
                outputs.append(.reply(watcher, .event(event), isLast: false))
            }
        }
    }
}
