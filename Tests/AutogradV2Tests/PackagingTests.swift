import Foundation
import AutogradTestSupport
import Testing

/// What is installed, exported, and shown in gdb.
@Suite("C library as it is installed", .enabled(if: CLibrary.isAvailable))
struct PackagingTests {
  /// The functions that the public headers declare.
  private static func declaredFunctions() throws -> Set<String> {
    var declared: Set<String> = []
    for name in ["arena", "autograd_v2", "transformer_v2", "text_utils", "sampling", "dataset", "model_io_v2"] {
      let text = try String(
        contentsOfFile: CLibrary.repository + "/Sources/CAutogradV2/include/\(name).h", encoding: .utf8)
      for match in text.matches(of: /AUTOGRAD_API[^;(]*?(\w+)\(/) { declared.insert(String(match.1)) }
    }
    return declared
  }

  @Test("docs/c-api.md tells of every function that the headers declare, and of no other")
  func documentation() throws {
    let declared = try Self.declaredFunctions()
    let text = try String(contentsOfFile: CLibrary.repository + "/docs/c-api.md", encoding: .utf8)
    let sections = text.components(separatedBy: "\n## ").filter { $0.hasPrefix("`") }
    #expect(sections.count == 7)
    var named: Set<String> = []
    for line in sections.joined(separator: "\n").split(separator: "\n") where line.hasPrefix("| `") {
      guard let cell = line.split(separator: "|").first else { continue }
      for match in cell.matches(of: /(\w+)\(/) { named.insert(String(match.1)) }
    }
    #expect(declared.subtracting(named).sorted() == [])
    #expect(named.subtracting(declared).sorted() == [])
  }

  @Test("every function that the headers declare is called by a program in Tests/c or Examples/c")
  func coverage() throws {
    var called: Set<String> = []
    for folder in ["Tests/c", "Examples/c"] {
      let path = CLibrary.repository + "/" + folder
      for file in try FileManager.default.contentsOfDirectory(atPath: path) where file.hasSuffix(".c") {
        let text = try String(contentsOfFile: path + "/" + file, encoding: .utf8)
        for match in text.matches(of: /\w+/) { called.insert(String(match.0)) }
      }
    }
    #expect(try Self.declaredFunctions().subtracting(called).sorted() == [])
  }

  @Test("the shared library exports what the headers declare and nothing else, and needs only system libraries")
  func exports() throws {
    let library = try CLibrary.shared.get(), shared = library.folder + "/libautograd_v2.so"
    let symbols = try CLibrary.run("nm", ["-D", "--defined-only", shared]).output.split(separator: "\n").compactMap {
      $0.split(separator: " ").last.map(String.init)
    }
    let declared = try Self.declaredFunctions().union(["g_tape", "global_arena"])
    #expect(declared.count > 150)
    #expect(Set(symbols) == declared)
    let entries = try CLibrary.run("readelf", ["-d", shared]).output.split(separator: "\n")
    #expect(entries.contains { $0.contains("NEEDED") })
    for line in entries where line.contains("NEEDED") {
      let known = ["libc.so", "libm.so", "libstdc++.so", "libgcc_s.so", "ld-linux", "libpthread.so", "libdl.so"]
      #expect(known.contains { line.contains($0) }, "\(line)")
    }
  }

  @Test("a thread that holds a context may end after dlclose: the library stays in memory")
  func unloading() throws {
    try temporaryDirectory { path in
      let library = try CLibrary.shared.get()
      let source = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <pthread.h>
        #include <semaphore.h>
        #include <stdio.h>
        static void *library;
        static sem_t open, closed;
        static void *holds(void *unused) {
          int (*init)(void) = (int (*)(void))dlsym(library, "autograd_v2_init");
          if (!init || init()) return "no context";
          sem_post(&open);
          sem_wait(&closed);
          return unused;
        }
        int main(int count, char **arguments) {
          for (int i = 0; i < 2 && count > 1; i++) {
            pthread_t thread;
            void *problem;
            library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
            if (!library || pthread_create(&thread, NULL, holds, NULL)) return puts(dlerror()), 1;
            sem_wait(&open);
            if (dlclose(library)) return 2;
            sem_post(&closed);
            if (pthread_join(thread, &problem) || problem) return 3;
          }
          return 0;
        }
        """
      try Data(source.utf8).write(to: URL(fileURLWithPath: path + "/unloading.c"))
      let compiled = try CLibrary.run(
        "cc", ["-std=gnu11", path + "/unloading.c", "-o", path + "/unloading", "-ldl", "-lpthread"])
      #expect(compiled.status == 0, "\(compiled.errors)")
      let outcome = try CLibrary.run(path + "/unloading", [library.folder + "/libautograd_v2.so"])
      #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    }
  }

  @Test("the archive's engine is one member, each header's functions are a weak member of their own")
  func members() throws {
    let library = try CLibrary.shared.get(), archive = library.folder + "/libautograd_v2.a"
    let members = try CLibrary.run("ar", ["t", archive]).output.split(separator: "\n").map(String.init)
    let headers = ["arena", "autograd_v2", "dataset", "model_io_v2", "sampling", "text_utils", "transformer_v2"]
    #expect(Set(members) == Set(["engine.o"] + headers.map { "forward_\($0).o" }))
    for line in try CLibrary.run("nm", ["-g", "--defined-only", archive]).output.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count == 3 else { continue }
      let isOurs = words[2].hasPrefix("autograd_v2_impl_") || words[2] == "g_tape" || words[2] == "global_arena"
      #expect(isOurs || words[1] == "W", "\(line)")
    }
  }

  @Test("the forwarders are those of the headers", .enabled(if: CLibrary.find("python3") != nil))
  func forwarders() throws {
    let outcome = try CLibrary.run("python3", [CLibrary.repository + "/Scripts/make_forwarders.py", "--check"])
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  @Test(
    "an installed library is found by pkg-config, shared and static",
    .enabled(if: CLibrary.find("make") != nil && CLibrary.find("pkg-config") != nil))
  func install() throws {
    try temporaryDirectory { path in
      let library = try CLibrary.shared.get(), prefix = path + "/prefix"
      let installed = try CLibrary.run(
        "make", ["-C", library.repository, "install-files", "OUT=" + library.folder, "PREFIX=" + prefix])
      #expect(installed.status == 0, "\(installed.errors)")
      let environment = ["PKG_CONFIG_PATH": prefix + "/lib/pkgconfig"]
      for (options, flags) in [("", ""), ("-static", "--static")] {
        for compiler in ["gcc", "clang"] where CLibrary.find(compiler) != nil {
          let command = "\(compiler) \(options) \(library.repository)/Examples/c/quickstart_basics.c "
            + "$(pkg-config --cflags --libs \(flags) autograd_v2) -o \(path)/program 2>&1 && \(path)/program"
          let outcome = try CLibrary.run("/bin/bash", ["-c", command], environment: environment)
          #expect(outcome.status == 0, "\(command)\n\(outcome.output)\(outcome.errors)")
        }
      }
    }
  }

  @Test("gdb shows tensors and variables by shape and numbers", .enabled(if: CLibrary.find("gdb") != nil))
  func prettyPrinters() throws {
    try temporaryDirectory { path in
      let library = try CLibrary.shared.get()
      let source = """
        #include "autograd_v2.h"
        static void stop(VariableV2 *v) { (void)v; }
        int main(void) {
          int shape[] = {2, 2};
          TensorV2 *t = tensor_create_persistent(shape, 2);
          t->data[3] = 2.5;
          stop(var_create_parameter(t));
          return 0;
        }
        """
      try Data(source.utf8).write(to: URL(fileURLWithPath: path + "/shown.c"))
      let program = try library.compile(path + "/shown.c", to: path + "/shown", options: ["-O0"])
      let outcome = try CLibrary.run(
        "gdb",
        [
          "-batch", "-ex", "source \(library.repository)/Scripts/c_library/autograd_v2_gdb.py", "-ex", "break stop",
          "-ex", "run", "-ex", "print *v", program,
        ])
      #expect(outcome.output.contains("variable (persistent requires_grad parameter)"), "\(outcome.output)")
      #expect(outcome.output.contains("tensor [2, 2] (persistent) {0, 0, 0, 2.5}"), "\(outcome.output)")
    }
  }

  @Test("the README's program in C compiles without a warning, and its loss falls")
  func readme() throws {
    let text = try String(contentsOfFile: CLibrary.repository + "/README.md", encoding: .utf8)
    let blocks = text.components(separatedBy: "```c\n").dropFirst()
    let program = try #require(blocks.first?.components(separatedBy: "```").first)
    try temporaryDirectory { path in
      try Data(program.utf8).write(to: URL(fileURLWithPath: path + "/train.c"))
      let outcome = try CLibrary.shared.get().check(path + "/train.c", options: ["-std=c99", "-pedantic"])
      let losses = outcome.output.split(separator: "\n").compactMap { Double($0) }
      #expect(losses.count == 5 && losses == losses.sorted(by: >) && losses.last ?? 1 < 0.5 * (losses.first ?? 0))
    }
  }

  @Test(
    "gdb names the kernel that runs and the function on whose behalf",
    .enabled(if: CLibrary.find("gdb") != nil), arguments: [CLibrary.Linkage.archive, .shared])
  func names(linkage: CLibrary.Linkage) throws {
    try temporaryDirectory { path in
      let source = """
        #include "autograd_v2.h"
        int main(void) {
          int shape[] = {40, 40};
          VariableV2 *w = var_create_parameter(tensor_randn_persistent(shape, 2, 1.0));
          autograd_set_threads(1);
          return ag_matmul(w, w) == NULL;
        }
        """
      try Data(source.utf8).write(to: URL(fileURLWithPath: path + "/product.c"))
      let program = try CLibrary.shared.get().compile(
        path + "/product.c", to: path + "/product", options: ["-O0"], linkage: linkage)
      let outcome = try CLibrary.run(
        "gdb",
        [
          "-batch", "-ex", "set breakpoint pending on", "-ex", "break packed_tile", "-ex", "run", "-ex", "backtrace",
          program,
        ])
      let frames = outcome.output.split(separator: "\n").filter { $0.hasPrefix("#") }
      #expect(frames.first?.contains("packed_tile") == true, "\(outcome.output)\(outcome.errors)")
      for name in ["gemm", "ag_matmul", "main"] {
        #expect(frames.contains { $0.contains(name) }, "no \(name) in \(frames)")
      }
      // The archive has no lines of its own. Of the innermost frame, where a function begins, compilers need not know one.
      if linkage == .shared { #expect(frames.contains { $0.contains(/\sat .*gemm\.h:\d+/) }, "\(frames)") }
    }
  }
}
