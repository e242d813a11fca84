"""Where the time of a request goes: every processor sampled by perf, sorted by process and by what it was in."""

import collections
import os
import re
import subprocess

from bench.client import run_wrk

SECONDS = 4

# The kernel's work, by what it was asked for: the first pattern that matches a frame.
KERNEL = [
    ("send", r"sys_sendto|do_writev|sys_write$|sys_sendmsg"),
    ("receive", r"sys_recvfrom|sys_read$"),
    ("wait for sockets", r"epoll_wait|epoll_pwait"),
    ("write to log, WAL, database", r"sys_pwrite"),
    ("sync", r"sys_fdatasync|sys_fsync"),
    ("futex", r"sys_futex"),
    ("page faults, memory maps", r"asm_exc_page_fault|mprotect|munmap|mmap|madvise"),
    ("interrupts", r"asm_sysvec|asm_common_interrupt"),
]

# The program's own work, by the innermost function and the file that it is in.
USER = [
    ("malloc and free", r"^(_int_|malloc|cfree|calloc|realloc|unlink_chunk|sysmalloc|__libc_|posix_memalign).*libc"),
    ("reference counts", r"^(_?swift_|swift::)"),
    ("SQLite", r"libsqlite3"),
    ("signature", r"libcrypto|WebhookSecurity"),
    ("JSON", r"JSON"),
    ("HTTP", r"HTTPServer|\(.*nginx\)"),
    ("fold and store", r"SessionStore|SessionModel"),
]


def samples(path):
    """The process's name and id, and the frames from the innermost outwards, of each sample."""
    script = subprocess.Popen(
        ["perf", "script", "--input", path, "--fields", "comm,pid,ip,sym,dso", "--no-inline"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
    heading, frames = None, []
    for line in script.stdout:
        line = line.strip()
        if not line:
            if heading is not None:
                name, _, process = heading.rpartition(" ")
                yield name.strip(), int(process), frames
            heading, frames = None, []
        elif heading is None:
            heading = line
        else:
            frames.append(line.partition(" ")[2])
    script.wait()


def part(frames):
    if "([kernel" in frames[0] or "([guest.kernel" in frames[0]:
        for name, pattern in KERNEL:
            if any(re.search(pattern, frame.partition(" ")[0]) for frame in frames):
                return "kernel: " + name
        return "kernel: other"
    for name, pattern in USER:
        if re.search(pattern, frames[0]):
            return "program: " + name
    return "program: other"


class Profile:
    """Samples of one run, by whose they are and, the server's, by what it was in."""

    def __init__(self, path, server, rate):
        self.whose, self.parts, self.stacks = collections.Counter(), collections.Counter(), collections.Counter()
        for name, process, frames in samples(path):
            if process in server:
                self.whose["server"] += 1
                if frames:
                    self.parts["  " + part(frames)] += 1
                    self.stacks[";".join(frame.rpartition(" (")[0] or frame for frame in reversed(frames))] += 1
            else:
                self.whose["no process (idle)" if process == 0 else "client" if name == "wrk" else "others"] += 1
        self.rate = rate
        self.microseconds = os.cpu_count() * 1e6 / rate / max(1, sum(self.whose.values()))

    def write_stacks(self, path):
        """As "folded" stacks, which flamegraph.pl, inferno and speedscope.app read."""
        with open(path, "w") as file:
            for stack, count in sorted(self.stacks.items()):
                file.write("%s %d\n" % (stack, count))


def record(subject, requests, work):
    """Samples of one run of the load from its second second on."""
    path = os.path.join(work, "%s.perf" % subject.name)
    subject.start()
    try:
        recorder = subprocess.Popen(
            ["perf", "record", "--quiet", "--all-cpus", "--call-graph", "fp", "--event", "cpu-clock", "--freq", "1999",
             "--delay", "1000", "--output", path, "--", "sleep", str(SECONDS)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        result = run_wrk(subject.url, 64, SECONDS + 1, requests=requests, repeats=subject.is_indifferent)
        error = recorder.communicate()[1]
        if recorder.returncode != 0:
            raise SystemExit("perf cannot record here: " + error.strip())
        profile = Profile(path, set(subject.processes()), result.rate)
        profile.write_stacks(os.path.join(work, "%s.folded" % subject.name))
        return profile
    finally:
        subject.stop()


def ingest(table, subjects, requests, work):
    """Where the processors' time goes while events are taken, side by side."""
    profiles = [record(subject, requests, work) for subject in subjects]
    table.print("\nIngest, 64 connections: microseconds of processor time a request, by samples\n%-40s%s" % (
        "", "".join("%12s" % subject.name for subject in subjects)))

    def row(name, values):
        table.print("%-40s%s" % (name, "".join("%12.2f" % value for value in values)))

    for kind in "whose", "parts":
        names = set().union(*(getattr(profile, kind) for profile in profiles))
        for name in sorted(names, key=lambda name: -getattr(profiles[0], kind)[name]):
            row(name, [getattr(profile, kind)[name] * profile.microseconds for profile in profiles])
    table.print("%-40s%s" % ("requests a second", "".join("%12.0f" % profile.rate for profile in profiles)))
