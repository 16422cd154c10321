"""Findings on YAML, archives and the structure of packages."""

from __future__ import annotations

from vnf_descriptors.codes.code import ERROR, INFO, WARNING, Code

_YAML = "TOSCA Simple Profile 1.3, 3.1"
_SAFE = "SOL004 4.1"
_META = "SOL004 4.1.2.3"

PACKAGE = (
    Code(
        "YAML001",
        ERROR,
        "not well-formed YAML in UTF-8",
        _YAML,
        "The file cannot be read as YAML, so nothing in it could be checked. Common causes are a tab used for "
        "indentation, text with ': ' that is not quoted, and a bracket or quote that is not closed.",
        "description: Release 1: first",
    ),
    Code(
        "YAML002",
        ERROR,
        "YAML file too large",
        _SAFE,
        "Descriptors are small. A YAML file beyond the limit is refused before it is parsed, because it could "
        "only exhaust memory.",
    ),
    Code(
        "YAML003",
        ERROR,
        "YAML nested too deeply, or too many nodes",
        _SAFE,
        "Collections nest deeper than 64, or the file, or all files of the descriptor together, have more than 100 000 "
        "nodes once aliases are expanded. "
        "No descriptor needs that; hostile files do.",
        "a: &a [*b, *b, *b]",
    ),
    Code(
        "YAML004",
        ERROR,
        "unusable map key",
        _YAML,
        "A key occurs twice in one map, is itself a list or a map, or '<<' merges something that is no map. Of two "
        "equal keys most parsers keep the last in silence; which one was meant is not known.",
        "memory: 4 GB\nmemory: 8 GB",
    ),
    Code(
        "YAML005",
        ERROR,
        "YAML tag not allowed",
        _YAML,
        "Tags other than those of the core schema ask a parser to build objects. Descriptors need none.",
        "name: !!python/object:os.system ls",
    ),
    Code(
        "YAML006",
        ERROR,
        "more than one YAML document",
        _YAML,
        "A TOSCA service template is one YAML document; what stands after a second '---' would be ignored.",
        "---\n...\n---",
    ),
    Code(
        "ZIP001",
        ERROR,
        "not a readable package",
        _SAFE,
        "The path is no ZIP archive, no directory and no YAML file, or the archive is damaged or cannot be opened.",
    ),
    Code(
        "ZIP002",
        ERROR,
        "unsafe member name",
        _SAFE,
        "A member's name is absolute, climbs out of the archive with '..', holds a backslash, a drive letter, a "
        "control character or bytes that are not UTF-8. Extracting it could write outside the target directory.",
        "../../etc/cron.d/job",
    ),
    Code(
        "ZIP003",
        ERROR,
        "two members with one name",
        _SAFE,
        "Two members have the same name, names that differ only in case or in Unicode composition, or one is a file "
        "where the other needs a directory. What is checked might not be what is used.",
        "Definitions/a.yaml and Definitions/A.yaml",
    ),
    Code(
        "ZIP004",
        ERROR,
        "symbolic link or special file",
        _SAFE,
        "Packages hold files and directories. A link could point out of the package, a device could block.",
    ),
    Code(
        "ZIP005",
        ERROR,
        "member encrypted or compressed in an unknown way",
        _SAFE,
        "SOL004 packages are plain ZIP archives: members are stored or deflated. Encrypted artifacts are files in "
        "their own right, not encrypted ZIP members.",
    ),
    Code(
        "ZIP006",
        ERROR,
        "archive with overlapping or hidden parts",
        _SAFE,
        "Members share bytes, or the archive does not begin with its first member. Such files expand to many times "
        "their size or are something else at the same time.",
    ),
    Code(
        "ZIP007",
        ERROR,
        "archive beyond a limit",
        _SAFE,
        "Too many members, too much data once unpacked, or a member that expands several hundred times: the marks "
        "of a decompression bomb.",
    ),
    Code(
        "ZIP008",
        ERROR,
        "member differs from the archive's directory",
        _SAFE,
        "A member's size or checksum is not what the archive's central directory says.",
    ),
    Code(
        "ZIP009",
        ERROR,
        "archive inside the archive",
        _SAFE,
        "A CSAR inside a CSAR has no meaning in SOL004. Only the outer ZIP of a signed package (option 2) holds one. "
        "A ZIP archive that is an artifact must be safe to unpack, and hold no further one.",
    ),
    Code(
        "CSAR001",
        ERROR,
        "no entry point",
        "SOL004 4.1",
        "A package has TOSCA-Metadata/TOSCA.meta with the keyword Entry-Definitions, or exactly one YAML file at "
        "its root. Without either nobody knows where the descriptor begins.",
    ),
    Code(
        "CSAR002",
        ERROR,
        "TOSCA.meta cannot be read",
        _META,
        "TOSCA.meta consists of 'Name: value' lines in blocks that blank lines separate.",
        "Entry-Definitions Definitions/vnfd.yaml",
    ),
    Code(
        "CSAR003",
        WARNING,
        "keyword missing in TOSCA.meta",
        _META,
        "Block 0 of TOSCA.meta names its own version, the CSAR version, who created it, the entry definitions, the "
        "manifest and the change log.",
    ),
    Code(
        "CSAR004",
        ERROR,
        "TOSCA.meta names a file that is not there",
        _META,
        "Each keyword of block 0, and each Name of the later blocks, is the path of a member. A Name that is an "
        "address outside the package is refused unless the policy allows external artifacts.",
        "ETSI-Entry-Manifest: firewall.mf",
    ),
    Code(
        "CSAR005",
        INFO,
        "keyword in its old form",
        _META,
        "Up to version 2.4.1 the keywords had no prefix 'ETSI-'. Both forms are read.",
        "Entry-Manifest: firewall.mf",
    ),
    Code(
        "CSAR006",
        WARNING,
        "keyword or version unknown",
        _META,
        "The keyword is none of SOL004's, or the version is one that this library does not know. It is ignored.",
        "TOSCA-Meta-Version: 1.0",
    ),
    Code(
        "CSAR007",
        WARNING,
        "no change log",
        "SOL004 4.3.3",
        "A package carries a change history file: ChangeLog.txt at the root, or what ETSI-Entry-Change-Log names.",
    ),
    Code(
        "CSAR008",
        ERROR,
        "outer ZIP not as option 2 wants it",
        "SOL004 5.1",
        "The outer ZIP of a signed package holds exactly X.csar, X.cms and, unless the certificate is inside the "
        "signature, X.cert, all with one base name.",
    ),
    Code(
        "CSAR009",
        ERROR,
        "artifact digest in TOSCA.meta wrong",
        _META,
        "A block of TOSCA.meta gives an Algorithm and a Hash for its file, and the file has another digest.",
    ),
)
