"""A disk with a volatile write cache: one file of a FUSE file system, for a loop device.

    volatile-disk.py IMAGE MOUNTPOINT CUT SEED

What is written is in the cache until the next flush (fsync of `MOUNTPOINT/disk`) and only then in IMAGE. Writing to
`MOUNTPOINT/cut` cuts the power some writes later, within the last one of them (`soon`), or at once (`now`): CUT becomes what
a disk could have on it then, all that was flushed and, block by block, some of what was not. The disk goes on as if nothing
had happened; it ends when it is unmounted.
"""

import errno
import os
import random
import stat
import subprocess
import sys

import fusepy as fuse

BLOCK = 4096


class VolatileDisk(fuse.Operations):
    def __init__(self, image, cut, seed):
        self.image, self.cut = image, cut
        self.random = random.Random(seed)
        self.size = os.path.getsize(image)
        copy(image, image + ".current")
        self.flushed = os.open(image, os.O_RDWR)
        self.current = os.open(image + ".current", os.O_RDWR)
        self.cache = []
        self.writes_left = None

    def getattr(self, path, fh=None):
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == "/disk":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self.size}
        if path == "/cut":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": 0}
        raise fuse.FuseOSError(errno.ENOENT)

    def readdir(self, path, fh):
        return [".", "..", "disk", "cut"]

    def truncate(self, path, length, fh=None):
        return 0

    def read(self, path, size, offset, fh):
        return os.pread(self.current, size, offset)

    def write(self, path, data, offset, fh):
        if path == "/cut":
            self.writes_left = self.random.randrange(200)
            if data.strip() == b"now":
                self.cut_power()
            return len(data)
        os.pwrite(self.current, data, offset)
        self.cache.append((offset, bytes(data)))
        if self.writes_left == 0:
            self.cut_power()
        elif self.writes_left is not None:
            self.writes_left -= 1
        return len(data)

    def fsync(self, path, datasync, fh):
        for offset, data in self.cache:
            os.pwrite(self.flushed, data, offset)
        self.cache = []
        return 0

    def cut_power(self):
        self.writes_left = None
        copy(self.image, self.cut)
        # From none of what is in the cache to all of it; of two writes to one block the later one wins if it is kept.
        kept_of_ten = self.random.choice([0, 2, 5, 8, 10])
        kept = lost = 0
        with open(self.cut, "r+b") as file:
            for offset, data in self.cache:
                for start in range(0, len(data), BLOCK):
                    if self.random.randrange(10) < kept_of_ten:
                        os.pwrite(file.fileno(), data[start:start + BLOCK], offset + start)
                        kept += 1
                    else:
                        lost += 1
        print("%d blocks that were not flushed kept, %d lost" % (kept, lost), flush=True)


def copy(source, target):
    subprocess.run(["cp", "--sparse=always", source, target], check=True)


if __name__ == "__main__":
    image, mountpoint, cut, seed = sys.argv[1:]
    # One request at a time: no write is ever half in the cache.
    fuse.FUSE(
        VolatileDisk(image, cut, int(seed)), mountpoint, foreground=True, nothreads=True, direct_io=True,
        big_writes=True, max_write=131072)
