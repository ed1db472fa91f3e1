import Codec
import Glibc

/// Shows how far an operation is: one line that moves on a terminal, a line for each change elsewhere, or
/// an object for each change.
final class ProgressDrawing {
    enum Style {
        case bar
        case lines
        case json
        case silent
    }

    private let style: Style
    private let watch = Stopwatch()
    private var timeline = OperationTimeline()
    private var isDrawn = false
    private var frame = 0
    /// Besides the phase: what is being waited for.
    var detail = ""

    /// The style that suits where the output goes.
    static func style(json: Bool) -> Style {
        if json { return .json }
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        return Console.isTerminal && !isDumb ? .bar : .lines
    }

    init(_ style: Style) { self.style = style }

    var seconds: Double { watch.seconds }

    var isForPeople: Bool { style == .bar || style == .lines }

    /// - Parameter fields: what belongs to the change in JSON, besides phase and time.
    func show(_ progress: OperationProgress, _ fields: JSONObject = [:]) {
        let seconds = seconds
        for change in timeline.note(progress, at: seconds) {
            switch style {
            case .bar, .silent: break
            case .lines: Console.print(Self.line(change, seconds, detail))
            case .json:
                var object: JSONObject = [
                    "phase": .string(change.phase.name), "seconds": Self.rounded(seconds),
                ]
                if change.phase.isCounted, let count = change.partCount {
                    object["done"] = JSONValue(change.done)
                    object["of"] = JSONValue(count)
                }
                for member in fields.members { object[member.name] = member.value }
                Console.print(.object(object))
            }
        }
        draw()
    }

    /// Moves what moves.
    func tick() { draw() }

    /// A line that stays, above the bar.
    func note(_ text: String) {
        clear()
        if isForPeople { Console.print(text) }
    }

    /// Ends the drawing: with the times on a terminal, which has seen only the last of them.
    func finish(_ last: JSONObject = [:]) {
        clear()
        switch style {
        case .silent: break
        case .bar, .lines: Console.print(timeline.table.lines.joined(separator: "\n"))
        case .json:
            var phases = JSONObject()
            for (phase, seconds) in timeline.reached { phases[phase.name] = Self.rounded(seconds) }
            var object: JSONObject = ["phase": .string("output"), "seconds": Self.rounded(seconds)]
            for member in last.members { object[member.name] = member.value }
            object["phases"] = .object(phases)
            Console.print(.object(object))
        }
    }

    /// So that a message that follows has a line of its own.
    func clear() {
        guard isDrawn else { return }
        Console.write("\r\u{1b}[K", to: STDOUT_FILENO)
        isDrawn = false
    }

    private func draw() {
        guard style == .bar, let progress = timeline.current else { return }
        frame += 1
        let line = Self.bar(
            progress, seconds: seconds, detail: detail, width: Self.columns(), frame: frame)
        Console.write("\r\u{1b}[K" + line, to: STDOUT_FILENO)
        isDrawn = true
    }

    // MARK: Texts

    /// `included     3.2 s  block 12`.
    static func line(_ progress: OperationProgress, _ seconds: Double, _ detail: String) -> String {
        let name = progress.text
        let padding = String(repeating: " ", count: max(1, 14 - name.count))
        let line = name + padding + OperationTimeline.text(seconds)
        return detail.isEmpty ? line : line + "  " + detail
    }

    private static let frames = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"]

    /// One line of at most `width` columns.
    static func bar(
        _ progress: OperationProgress, seconds: Double, detail: String, width: Int, frame: Int
    ) -> String {
        let words = progress.text + "  " + OperationTimeline.text(seconds)
        let size = min(40, max(8, width - words.count - 8))
        let filled = Int((progress.share * Double(size)).rounded(.down))
        let bar =
            String(repeating: "█", count: filled) + String(repeating: "░", count: size - filled)
        let head = progress.phase == .settled ? "✔" : frames[frame % frames.count]
        let line =
            "\(head) \(bar) \(words)" + (detail.isEmpty ? "" : "  \(Table.printable(detail))")
        return String(line.prefix(max(20, width - 1)))
    }

    private static func columns() -> Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    static func rounded(_ seconds: Double) -> JSONValue {
        .number((seconds * 1000).rounded() / 1000)
    }
}
