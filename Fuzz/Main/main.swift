import ArgumentParser
import FuzzTargets

#if LIBFUZZER
    import Glibc

    /// libFuzzer calls back with each input; the target is named by `CHORALE_FUZZ_TARGET`.
    nonisolated(unsafe) var chosen: FuzzTarget?

    @_silgen_name("LLVMFuzzerRunDriver")
    func runDriver(
        _ count: UnsafeMutablePointer<CInt>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
        _ run: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
    ) -> CInt

    let name = getenv("CHORALE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let found = FuzzTarget.all.first(where: { $0.name == name }) else {
        print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
        exit(name.isEmpty ? 0 : 64)
    }
    chosen = found
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(
        runDriver(&count, &arguments) { bytes, size in
            var findings = Findings()
            chosen?.run(Array(UnsafeBufferPointer(start: bytes, count: size)), &findings)
            return 0
        })
#else
    ChoraleFuzz.main()
#endif
