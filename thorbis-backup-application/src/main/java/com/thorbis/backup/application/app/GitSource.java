package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.jgit.api.Git;
import org.eclipse.jgit.api.LsRemoteCommand;
import org.eclipse.jgit.api.errors.GitAPIException;
import org.eclipse.jgit.errors.ConfigInvalidException;
import org.eclipse.jgit.lib.Config;
import org.eclipse.jgit.lib.Constants;
import org.eclipse.jgit.lib.FileMode;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.ObjectLoader;
import org.eclipse.jgit.revwalk.RevWalk;
import org.eclipse.jgit.treewalk.TreeWalk;
import org.jspecify.annotations.Nullable;

/**
 * A Git repository with its whole history: every ref in one bundle that Git itself reads, and
 * {@code refs.json}, which says what each points to. What was received is checked object by object,
 * and the bundle is read back before it is stored. Needs no {@code git}.
 */
public final class GitSource implements Component {
  /** What the tree of a branch leaves out if nothing else is said. */
  public static final String EXCLUDED = "node_modules/**,.git/**,.next/**,dist/**,*.log,.env*";

  private static final String NAME = "source";
  private static final String BUNDLE = "repository.bundle";
  private static final String REFS = "refs.json";
  private static final String TREE = "tree.json";
  static final String LFS = "lfs";
  private static final String MODULES = "submodules";

  private final GitAddress address;
  private final GitAccess access;
  private final Path temporary;
  private final String branch;
  private final boolean tree;
  private final boolean submodules;
  private final Globs excluded;

  private GitSource(Builder builder) {
    address = builder.address;
    access = builder.access();
    temporary = builder.temporary;
    branch = builder.branch;
    tree = builder.tree;
    submodules = builder.submodules;
    excluded = Globs.anywhere(builder.excluded);
  }

  /**
   * A repository.
   *
   * @param address {@code https://HOST/PATH}, {@code ssh://USER@HOST/PATH}, {@code USER@HOST:PATH},
   *     or an absolute path; holds no credential
   * @param temporary where what is received lies meanwhile, in a folder that nobody else reads
   * @throws BackupException of kind CONFIGURATION if the address is another
   */
  public static Builder builder(String address, Path temporary) {
    return new Builder(GitAddress.parse(address), temporary);
  }

  /** Collects what is known of a repository. */
  public static final class Builder {
    private static final Pattern HOST =
        Pattern.compile("([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?");

    private final GitAddress address;
    private final Path temporary;
    private final Map<String, Login> logins = new LinkedHashMap<>();
    private String branch = "main";
    private boolean tree;
    private boolean submodules = true;
    private Optional<Path> below = Optional.empty();
    private String excluded = EXCLUDED;
    private Duration timeout = Duration.ofMinutes(1);
    private @Nullable Ssh ssh;

    private Builder(GitAddress address, Path temporary) {
      this.address = address;
      this.temporary = temporary;
    }

    private record Login(String user, SecretValue token) {}

    private record Ssh(SecretValue key, Optional<SecretValue> passphrase, String knownHosts) {}

    /** Whose commit is noted, and whose tree is looked through; {@code main} if not given. */
    public Builder branch(String name) {
      this.branch = name;
      return this;
    }

    /**
     * As whoever has this token, at the host of the repository alone.
     *
     * @param name what stands before the token
     * @param value copied, the caller closes its own
     */
    public Builder token(String name, SecretValue value) {
      if (address.kind() != GitAddress.Kind.HTTP) {
        throw invalid(
            "token: " + address + " takes none", "Remove it, or write https://HOST/PATH.");
      }
      return login(address.origin(), name, value);
    }

    /**
     * A credential for another host, which submodules or Git LFS lead to; goes to that host alone,
     * over HTTPS.
     *
     * @param host {@code HOST} or {@code HOST:PORT}
     * @param name what stands before the token
     * @param value copied, the caller closes its own
     * @throws BackupException of kind CONFIGURATION if it is no host, or named twice
     */
    public Builder credential(String host, String name, SecretValue value) {
      Matcher form = HOST.matcher(host);
      if (!form.matches()) {
        throw invalid(
            "credentials: \"" + host + "\" is no host", "Write HOST or HOST:PORT, no path.");
      }
      int port = form.group(2) == null ? -1 : Integer.parseInt(form.group(2));
      return login(GitAddress.origin("https", form.group(1), port), name, value);
    }

    private Builder login(String origin, String name, SecretValue value) {
      if (logins.containsKey(origin)) {
        throw invalid("credentials: there are two for " + origin, "Remove one of them.");
      }
      logins.put(origin, new Login(name, value.useBytes(SecretValue::copyOf)));
      return this;
    }

    /**
     * How SSH is spoken: with one key, to hosts whose keys are known. No agent, no file of the
     * account, and no host on first sight.
     *
     * @param key the private key, as {@code ssh-keygen} writes it; copied
     * @param passphrase of the key, if it has one; copied
     * @param knownHosts lines as {@code known_hosts} has them, or the absolute path of a file of
     *     such, which is read when a host is asked
     */
    public Builder ssh(SecretValue key, Optional<SecretValue> passphrase, String knownHosts) {
      this.ssh =
          new Ssh(
              key.useBytes(SecretValue::copyOf),
              passphrase.map(one -> one.useBytes(SecretValue::copyOf)),
              knownHosts);
      return this;
    }

    /** Whether submodules are received too; they are if not said. */
    public Builder submodules(boolean received) {
      this.submodules = received;
      return this;
    }

    /** Below which folder submodules of a folder may lie; below none if not said. */
    public Builder submodulesBelow(Path folder) {
      this.below = Optional.of(folder);
      return this;
    }

    /** The files of the branch too, one by one, but for these patterns at any depth. */
    public Builder tree(String leftOut) {
      this.tree = true;
      this.excluded = leftOut;
      return this;
    }

    /** How long the service may be silent; a minute if not given. */
    public Builder timeout(Duration most) {
      this.timeout = most;
      return this;
    }

    private GitAccess access() {
      Optional<SshSessions> sessions =
          Optional.ofNullable(ssh)
              .map(
                  given ->
                      new SshSessions(
                          given.key(), given.passphrase(), given.knownHosts(), timeout));
      GitAccess access = new GitAccess(address, sessions, below, timeout);
      logins.forEach((origin, login) -> access.login(origin, login.user(), login.token()));
      return access;
    }

    private static BackupException invalid(String problem, String remedy) {
      return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
          .remedy(remedy)
          .build();
    }

    /** The source; nobody is asked yet. */
    public GitSource build() {
      return new GitSource(this);
    }
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public String check() throws IOException {
    try (Scratch scratch = Scratch.below(temporary);
        org.eclipse.jgit.lib.Repository here = GitMirror.bare(scratch.path().resolve("ask.git"));
        Git git = new Git(here)) {
      LsRemoteCommand ask = git.lsRemote().setRemote(address.text());
      access.prepare(ask, address);
      return address + " has " + ask.call().size() + " refs, HEAD among them if it has one";
    } catch (GitAPIException e) {
      throw GitMirror.failure(address.text(), e);
    }
  }

  @Override
  public Prepared prepare(Repository repository, RunControl control) throws IOException {
    Scratch scratch = Scratch.below(temporary);
    GitMirror mirror = null;
    Submodules modules = new Submodules(access, scratch.path().resolve(MODULES), control);
    boolean whole = false;
    try {
      mirror = GitMirror.receive(address, access, scratch.path().resolve("own"), control);
      mirror.write(List.of());
      Received received = look(scratch, mirror, modules, control);
      whole = true;
      return received;
    } finally {
      if (!whole) {
        modules.close();
        if (mirror != null) {
          mirror.close();
        }
        scratch.close();
      }
    }
  }

  private Received look(Scratch scratch, GitMirror mirror, Submodules modules, RunControl control)
      throws IOException {
    List<Gap> gaps = new ArrayList<>();
    Map<String, Long> counts = new TreeMap<>();
    Map<String, Entry> files = new TreeMap<>();
    Optional<String> commit = Optional.ofNullable(mirror.refs().get(Constants.R_HEADS + branch));
    Optional<ObjectId> tip = commit.map(ObjectId::fromString);
    if (commit.isEmpty()) {
      gaps.add(
          Gap.part(
              "branch " + branch,
              "application.no-branch",
              address + " has no branch " + branch + "; its history is stored all the same",
              "Set branch to one that it has."));
    } else if (tree) {
      walk(mirror.repository(), tip.get(), files);
    }
    if (submodules) {
      modules.receive(mirror, tip);
    } else if (tip.isPresent()) {
      modules.name(mirror, tip.get());
    }
    Path large = scratch.path().resolve(LFS);
    Map<String, Document> documents = new LinkedHashMap<>();
    Map<String, Path> bundles = new LinkedHashMap<>();
    Map<String, Object> about = new TreeMap<>(about(mirror, tip, "", large, gaps, control));
    about.put("branch", branch);
    about.put("commit", commit);
    List<Document> links = commit.map(id -> modules.links("", id)).orElse(List.of());
    about.put("submodules", links);
    documents.put(REFS, Document.of(about));
    bundles.put(BUNDLE, mirror.bundle());
    for (Submodules.Received one : modules.received()) {
      Map<String, Object> of =
          new TreeMap<>(
              about(
                  one.mirror(),
                  one.commits().stream().findFirst().map(ObjectId::fromString),
                  one.label() + "/",
                  large,
                  gaps,
                  control));
      of.put(
          "commits",
          one.commits().stream()
              .map(id -> Map.of("commit", id, "submodules", modules.links(one.id(), id)))
              .toList());
      documents.put(MODULES + "/" + one.id() + ".json", Document.of(of));
      bundles.put(MODULES + "/" + one.id() + ".bundle", one.mirror().bundle());
    }
    gaps.addAll(modules.gaps());
    Map<String, Reference> references = new LinkedHashMap<>();
    long bytes = 0;
    for (Map.Entry<String, Path> bundle : bundles.entrySet()) {
      try (InputStream in = Files.newInputStream(bundle.getValue())) {
        Reference reference = Reference.of(in);
        references.put(bundle.getKey(), reference);
        bytes += reference.length();
      }
    }
    counts.put("refs", (long) mirror.refs().size());
    counts.put("bundleBytes", bytes);
    counts.put("submodules", (long) links.size());
    counts.put("submoduleRepositories", (long) modules.received().size());
    counts.put(
        "lfsObjects", documents.values().stream().mapToLong(one -> one.list("lfs").size()).sum());
    if (tree) {
      counts.put("treeFiles", (long) files.size());
    }
    return new Received(
        scratch,
        mirror,
        modules,
        documents,
        bundles,
        references,
        tree ? files : null,
        gaps,
        counts);
  }

  /** What a repository has, and its LFS objects, which are fetched. */
  private Map<String, Object> about(
      GitMirror mirror,
      Optional<ObjectId> commit,
      String prefix,
      Path large,
      List<Gap> gaps,
      RunControl control)
      throws IOException {
    Map<String, LfsObjects.Pointer> pointers = new TreeMap<>();
    mirror
        .pointers(control)
        .forEach(
            (oid, one) ->
                pointers.put(oid, new LfsObjects.Pointer(oid, one.size(), prefix + one.path())));
    List<LfsObjects.Pointer> wanted =
        pointers.values().stream().filter(one -> !Files.exists(large.resolve(one.oid()))).toList();
    Map<String, Gap> missing =
        new LfsObjects(mirror.address(), access, server(mirror, commit))
            .fetch(wanted, large, control);
    gaps.addAll(missing.values());
    List<Document> objects = new ArrayList<>();
    pointers.forEach(
        (oid, one) ->
            objects.add(
                Document.of(
                    Map.of(
                        "path", one.path(),
                        "oid", oid,
                        "size", one.size(),
                        "stored", !missing.containsKey(oid)))));
    return Map.of(
        "repository", mirror.address().text(),
        "refs", mirror.refs(),
        "head", mirror.head(),
        "lfs", objects);
  }

  /** What {@code .lfsconfig} of a commit says of where its LFS objects are. */
  private static Optional<String> server(GitMirror mirror, Optional<ObjectId> commit)
      throws IOException {
    if (commit.isEmpty()) {
      return Optional.empty();
    }
    Config said = new Config();
    try {
      said.fromText(mirror.text(commit.get(), ".lfsconfig").orElse(""));
    } catch (ConfigInvalidException e) {
      return Optional.empty(); // git lfs heeds none that it cannot read
    }
    return Optional.ofNullable(said.getString("lfs", null, "url"));
  }

  /**
   * A file of the tree.
   *
   * @param link where a symbolic link leads
   */
  private record Entry(ObjectId id, boolean executable, Optional<String> link, Reference content) {}

  private void walk(
      org.eclipse.jgit.lib.Repository mirror, ObjectId commit, Map<String, Entry> files)
      throws IOException {
    try (RevWalk commits = new RevWalk(mirror);
        TreeWalk walk = new TreeWalk(mirror)) {
      walk.addTree(commits.parseCommit(commit).getTree());
      walk.setRecursive(true);
      while (walk.next()) {
        String path = walk.getPathString();
        FileMode mode = walk.getFileMode(0);
        ObjectId id = walk.getObjectId(0);
        if (mode.equals(FileMode.GITLINK) || excluded.match(path)) {
          continue;
        }
        ObjectLoader loader = mirror.open(id);
        Optional<String> link =
            mode.equals(FileMode.SYMLINK)
                ? Optional.of(new String(loader.getBytes(), StandardCharsets.UTF_8))
                : Optional.empty();
        try (InputStream in = loader.openStream()) {
          files.put(
              path, new Entry(id, mode.equals(FileMode.EXECUTABLE_FILE), link, Reference.of(in)));
        }
      }
    }
  }

  /** The LFS objects that are in the backup. */
  static List<Document> stored(Document about) {
    return about.list("lfs").stream()
        .filter(one -> one.value("stored").filter(Boolean.TRUE::equals).isPresent())
        .toList();
  }

  private static final class Received implements Prepared {
    private final Scratch scratch;
    private final GitMirror mirror;
    private final Submodules modules;
    private final Map<String, Document> documents;
    private final Map<String, Path> bundles;
    private final Map<String, Reference> references;
    private final @Nullable Map<String, Entry> files;
    private final List<Gap> gaps;
    private final Map<String, Long> counts;

    Received(
        Scratch scratch,
        GitMirror mirror,
        Submodules modules,
        Map<String, Document> documents,
        Map<String, Path> bundles,
        Map<String, Reference> references,
        @Nullable Map<String, Entry> files,
        List<Gap> gaps,
        Map<String, Long> counts) {
      this.scratch = scratch;
      this.mirror = mirror;
      this.modules = modules;
      this.documents = documents;
      this.bundles = bundles;
      this.references = references;
      this.files = files;
      this.gaps = gaps;
      this.counts = counts;
    }

    @Override
    public List<Gap> gaps() {
      return gaps;
    }

    /** Of the branch that is configured. */
    @Override
    public Map<String, String> facts() {
      return Optional.ofNullable(documents.get(REFS))
          .flatMap(refs -> refs.text("commit"))
          .map(id -> Map.of("commit", id))
          .orElse(Map.of());
    }

    @Override
    public Map<String, Long> counts() {
      return counts;
    }

    @Override
    public void write(ComponentWriter into) throws IOException {
      Map<String, Long> large = new TreeMap<>();
      for (Map.Entry<String, Document> document : documents.entrySet()) {
        into.document(document.getKey(), document.getValue());
        for (Document one : stored(document.getValue())) {
          large.put(one.require("oid"), one.number("size", -1));
        }
      }
      for (Map.Entry<String, Path> bundle : bundles.entrySet()) {
        Reference reference = references.get(bundle.getKey());
        if (reference == null) {
          throw new IllegalStateException("Not looked at: " + bundle.getKey());
        }
        try (InputStream in = Files.newInputStream(bundle.getValue())) {
          into.object(bundle.getKey(), reference, in);
        }
      }
      for (Map.Entry<String, Long> one : large.entrySet()) {
        Reference content = new Reference(one.getValue(), one.getKey());
        Path file = scratch.path().resolve(LFS).resolve(one.getKey());
        try (InputStream in = Files.newInputStream(file)) {
          into.content(LFS + "/" + one.getKey(), 0600, content, in);
        }
      }
      if (files == null) {
        return;
      }
      List<Document> entries = new ArrayList<>();
      for (Map.Entry<String, Entry> file : files.entrySet()) {
        Entry entry = file.getValue();
        entries.add(
            Document.of(
                Map.of(
                    "path", file.getKey(),
                    "link", entry.link(),
                    "executable", entry.executable(),
                    "length", entry.content().length(),
                    "sha256", entry.content().sha256())));
        if (entry.link().isEmpty()) {
          try (InputStream in = mirror.repository().open(entry.id()).openStream()) {
            into.content(
                "tree/" + file.getKey(), entry.executable() ? 0755 : 0644, entry.content(), in);
          }
        }
      }
      into.document(TREE, Document.of(Map.of("files", entries)));
    }

    @Override
    public void close() throws IOException {
      modules.close();
      mirror.close();
      scratch.close();
    }
  }

  @Override
  public List<Step> plan(StoredComponent stored, RestoreWish wish) throws IOException {
    Document about = stored.document(REFS);
    List<Step> steps = new ArrayList<>();
    if (wish.into().isEmpty()) {
      return List.of(
          Step.none(
              "repository",
              Step.Action.BY_HAND,
              "is laid down as a new clone: say where with --into DIR"));
    }
    GitRestore restore = new GitRestore(stored);
    Path folder = wish.into().get().resolve(NAME);
    Path clone = folder.resolve("repository.git");
    steps.add(
        Step.lay(
            clone.toString(),
            describe(about) + "; nothing is pushed to " + about.require("repository"),
            () -> {
              restore.bare(about, BUNDLE, clone);
              return about.object("refs").names().size()
                  + " refs are as in the backup. Work with it: git clone "
                  + clone
                  + ". To have it on a server again, make a new, empty repository there and run:"
                  + " git -C "
                  + clone
                  + " push --mirror NEW-ADDRESS. Into a repository with anything in it that would"
                  + " remove what came since";
            }));
    if (stored.documents().containsKey(TREE)) {
      Path laid = folder.resolve("tree");
      Document files = stored.document(TREE);
      steps.add(
          Step.lay(
              laid.toString(),
              files.list("files").size() + " files of branch " + about.require("branch"),
              () -> layTree(stored, files, laid)));
    }
    planModules(stored, restore, about, folder, steps);
    return steps;
  }

  private static String describe(Document about) {
    int large = stored(about).size();
    return "a bare clone with "
        + about.object("refs").names().size()
        + " refs"
        + (large == 0 ? "" : ", " + large + " LFS objects");
  }

  private static void planModules(
      StoredComponent stored, GitRestore restore, Document about, Path folder, List<Step> steps)
      throws IOException {
    Map<String, GitRestore.Module> modules = new LinkedHashMap<>();
    List<Document> abouts = new ArrayList<>(List.of(about));
    List<Document> links = new ArrayList<>(about.list("submodules"));
    for (String name : stored.documents().keySet()) {
      if (!name.startsWith(MODULES + "/") || !name.endsWith(".json")) {
        continue;
      }
      String id = name.substring(MODULES.length() + 1, name.length() - ".json".length());
      Document one = stored.document(name);
      Path clone = Globs.below(folder.resolve(MODULES), id + ".git");
      modules.put(id, new GitRestore.Module(one, clone));
      abouts.add(one);
      one.list("commits").forEach(commit -> links.addAll(commit.list("submodules")));
      steps.add(
          Step.lay(
              clone.toString(),
              describe(one) + " of submodule " + one.require("repository"),
              () -> {
                restore.bare(one, MODULES + "/" + id + ".bundle", clone);
                return "its refs are as in the backup";
              }));
    }
    boolean any = about.list("submodules").stream().anyMatch(l -> l.text("repository").isPresent());
    if (any) {
      Path checkout = folder.resolve("checkout");
      steps.add(
          Step.lay(
              checkout.toString(),
              "a clone of branch " + about.require("branch") + " with its submodules checked out",
              () -> {
                List<String> left = new ArrayList<>();
                int done =
                    restore.checkout(
                        about, folder.resolve("repository.git"), modules, checkout, left);
                return done
                    + " submodules are checked out"
                    + (left.isEmpty()
                        ? ""
                        : "; not laid, as their name or place is unsafe: "
                            + String.join(", ", left));
              }));
    }
    for (Document one : links) {
      if (one.text("repository").isEmpty()) {
        steps.add(
            Step.none(
                one.require("path"),
                Step.Action.BY_HAND,
                "is a submodule at commit "
                    + one.require("commit")
                    + one.text("url").map(url -> " of " + url).orElse("")
                    + ", which is not in this backup"));
      }
    }
    for (Document each : abouts) {
      List<Document> away = new ArrayList<>(each.list("lfs"));
      away.removeAll(stored(each));
      for (Document one : away) {
        steps.add(
            Step.none(
                one.require("path"),
                Step.Action.BY_HAND,
                "is LFS object " + one.require("oid") + ", which is not in this backup"));
      }
    }
  }

  private static String layTree(StoredComponent stored, Document files, Path folder)
      throws IOException {
    Folders.make(folder);
    Map<String, Path> targets = new LinkedHashMap<>();
    Map<String, Reference> expected = new LinkedHashMap<>();
    int links = 0;
    for (Document file : files.list("files")) {
      Path target = Globs.below(folder, file.require("path"));
      if (file.text("link").isPresent()) {
        links++;
        continue;
      }
      targets.put("tree/" + file.require("path"), target);
      expected.put(
          "tree/" + file.require("path"),
          new Reference(file.number("length", -1), file.require("sha256")));
    }
    stored.lay(targets, expected);
    for (Document file : files.list("files")) {
      if (Boolean.TRUE.equals(file.value("executable").orElse(false))) {
        Path target = Globs.below(folder, file.require("path"));
        Files.setPosixFilePermissions(
            target, java.nio.file.attribute.PosixFilePermissions.fromString("rwx------"));
      }
    }
    return targets.size()
        + " files were laid down"
        + (links == 0 ? "" : "; " + links + " symbolic links are in the clone alone");
  }

  @Override
  public void close() {
    access.close();
  }
}
