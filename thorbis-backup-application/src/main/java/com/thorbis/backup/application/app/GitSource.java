package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.Endpoints;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.URI;
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
import org.eclipse.jgit.api.errors.GitAPIException;
import org.eclipse.jgit.errors.ConfigInvalidException;
import org.eclipse.jgit.errors.CorruptObjectException;
import org.eclipse.jgit.errors.MissingObjectException;
import org.eclipse.jgit.errors.NoRemoteRepositoryException;
import org.eclipse.jgit.internal.JGitText;
import org.eclipse.jgit.lib.Config;
import org.eclipse.jgit.lib.Constants;
import org.eclipse.jgit.lib.EmptyProgressMonitor;
import org.eclipse.jgit.lib.FileMode;
import org.eclipse.jgit.lib.NullProgressMonitor;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.ObjectLoader;
import org.eclipse.jgit.lib.ProgressMonitor;
import org.eclipse.jgit.lib.Ref;
import org.eclipse.jgit.lib.RefUpdate;
import org.eclipse.jgit.lib.StoredConfig;
import org.eclipse.jgit.revwalk.ObjectWalk;
import org.eclipse.jgit.revwalk.RevCommit;
import org.eclipse.jgit.revwalk.RevObject;
import org.eclipse.jgit.revwalk.RevWalk;
import org.eclipse.jgit.storage.file.FileRepositoryBuilder;
import org.eclipse.jgit.transport.BundleWriter;
import org.eclipse.jgit.transport.CredentialItem;
import org.eclipse.jgit.transport.CredentialsProvider;
import org.eclipse.jgit.transport.FetchResult;
import org.eclipse.jgit.transport.RefSpec;
import org.eclipse.jgit.transport.TagOpt;
import org.eclipse.jgit.transport.URIish;
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
  private static final String HEAD = "HEAD";
  private static final String LFS = "lfs";
  private static final RefSpec EVERYTHING = new RefSpec("+refs/*:refs/*");
  private static final int MOST_POINTER_BYTES = 1024;
  private static final Pattern POINTER =
      Pattern.compile(
          "version https://git-lfs\\.github\\.com/spec/v1\\R(?:.*\\R)*?"
              + "oid sha256:([0-9a-f]{64})\\Rsize ([0-9]{1,18})\\R");

  private final String address;
  private final Optional<URI> service;
  private final Path temporary;
  private final String branch;
  private final boolean tree;
  private final Globs excluded;
  private final String user;
  private final Duration timeout;
  private final @Nullable SecretValue token;

  private GitSource(Builder builder) {
    address = builder.address;
    service = builder.service;
    temporary = builder.temporary;
    branch = builder.branch;
    tree = builder.tree;
    excluded = Globs.anywhere(builder.excluded);
    user = builder.user;
    timeout = builder.timeout;
    token = builder.token;
  }

  /**
   * A repository.
   *
   * @param address {@code https://HOST/PATH} or an absolute path; holds no credential
   * @param temporary where what is received lies meanwhile, in a folder that nobody else reads
   * @throws BackupException of kind CONFIGURATION if the address is another
   */
  public static Builder builder(String address, Path temporary) {
    return new Builder(address, temporary);
  }

  /** Collects what is known of a repository. */
  public static final class Builder {
    private final String address;
    private final Optional<URI> service;
    private final Path temporary;
    private String branch = "main";
    private boolean tree;
    private String excluded = EXCLUDED;
    private String user = "x-access-token";
    private Duration timeout = Duration.ofMinutes(1);
    private @Nullable SecretValue token;

    private Builder(String address, Path temporary) {
      this.temporary = temporary;
      if (address.startsWith("/")) {
        this.address = address;
        this.service = Optional.empty();
      } else if (address.matches("(?i)https?://.*")) {
        this.service = Optional.of(Endpoints.parse("repository", address));
        this.address = address;
      } else {
        throw BackupException.of(
                "configuration.invalid",
                FailureKind.CONFIGURATION,
                "repository of a source: it begins with neither https:// nor /")
            .remedy("Write https://HOST/PATH with a token, or an absolute path. SSH is not spoken.")
            .build();
      }
    }

    /** Whose commit is noted, and whose tree is looked through; {@code main} if not given. */
    public Builder branch(String name) {
      this.branch = name;
      return this;
    }

    /**
     * As whoever has this token.
     *
     * @param name what stands before the token
     * @param value copied, the caller closes its own
     */
    public Builder token(String name, SecretValue value) {
      this.user = name;
      this.token = value.useBytes(SecretValue::copyOf);
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

    /** The source; nobody is asked yet. */
    public GitSource build() {
      return new GitSource(this);
    }
  }

  @Override
  public String name() {
    return NAME;
  }

  /** Gives the token to the configured service alone. */
  private static final class Token extends CredentialsProvider {
    private final URI service;
    private final String user;
    private final SecretValue token;

    Token(URI service, String user, SecretValue token) {
      this.service = service;
      this.user = user;
      this.token = token;
    }

    @Override
    public boolean isInteractive() {
      return false;
    }

    @Override
    public boolean supports(CredentialItem... items) {
      for (CredentialItem item : items) {
        if (!(item instanceof CredentialItem.Username)
            && !(item instanceof CredentialItem.Password)) {
          return false;
        }
      }
      return true;
    }

    @Override
    public boolean get(URIish uri, CredentialItem... items) {
      if (!supports(items)
          || !service.getScheme().equalsIgnoreCase(uri.getScheme())
          || !service.getHost().equalsIgnoreCase(uri.getHost())
          || service.getPort() != uri.getPort()) {
        return false;
      }
      for (CredentialItem item : items) {
        if (item instanceof CredentialItem.Username name) {
          name.setValue(user);
        } else if (item instanceof CredentialItem.Password password) {
          int unused =
              token.useChars(
                  chars -> {
                    password.setValue(chars);
                    return chars.length;
                  });
        }
      }
      return true;
    }
  }

  private @Nullable CredentialsProvider credentials() {
    SecretValue value = token;
    return value == null || service.isEmpty() ? null : new Token(service.get(), user, value);
  }

  private int seconds() {
    return (int) Math.max(1, timeout.toSeconds());
  }

  @Override
  public String check() throws IOException {
    try (Scratch scratch = Scratch.below(temporary);
        org.eclipse.jgit.lib.Repository here = bare(scratch.path().resolve("ask.git"));
        Git git = new Git(here)) {
      int found =
          git.lsRemote()
              .setRemote(address)
              .setCredentialsProvider(credentials())
              .setTimeout(seconds())
              .call()
              .size();
      return address + " has " + found + " refs, HEAD among them if it has one";
    } catch (GitAPIException e) {
      throw failure(e);
    }
  }

  @Override
  public Prepared prepare(Repository repository, RunControl control) throws IOException {
    Scratch scratch = Scratch.below(temporary);
    boolean whole = false;
    try {
      Received received = receive(scratch, control);
      whole = true;
      return received;
    } finally {
      if (!whole) {
        scratch.close();
      }
    }
  }

  private Received receive(Scratch scratch, RunControl control) throws IOException {
    Path folder = scratch.path();
    org.eclipse.jgit.lib.Repository mirror = bare(folder.resolve("mirror.git"));
    boolean whole = false;
    try {
      FetchResult result = fetch(mirror, address, credentials(), seconds(), new Cancelled(control));
      Map<String, String> refs = new TreeMap<>();
      for (Ref ref : result.getAdvertisedRefs()) {
        if (ref.getName().startsWith("refs/") && ref.getObjectId() != null) {
          refs.put(ref.getName(), ref.getObjectId().name());
        }
      }
      if (refs.isEmpty()) {
        throw problem(
            "application.source-empty", FailureKind.PERMANENT, "has no refs", "Push to it first.");
      }
      requireSame("what was received", refs, refs(mirror));
      Ref head = result.getAdvertisedRef(HEAD);
      Optional<String> standard =
          head != null && head.isSymbolic()
              ? Optional.of(head.getTarget().getName())
              : Optional.empty();
      Path bundle = folder.resolve(BUNDLE);
      bundle(mirror, refs, standard, bundle);
      try (org.eclipse.jgit.lib.Repository back = bare(folder.resolve("back.git"))) {
        fetch(back, bundle.toString(), null, 0, NullProgressMonitor.INSTANCE);
        requireSame("its bundle", refs, refs(back));
      }
      Folders.remove(folder.resolve("back.git"));
      Received received = look(scratch, mirror, refs, standard, bundle, control);
      whole = true;
      return received;
    } catch (GitAPIException e) {
      throw failure(e);
    } catch (ConfigInvalidException e) {
      throw problem(
          "application.source-unreadable",
          FailureKind.PERMANENT,
          "has submodules that cannot be understood",
          "Correct .gitmodules.");
    } finally {
      if (!whole) {
        mirror.close();
      }
    }
  }

  private static org.eclipse.jgit.lib.Repository bare(Path folder) throws IOException {
    Folders.make(folder);
    org.eclipse.jgit.lib.Repository made =
        new FileRepositoryBuilder().setGitDir(folder.toFile()).setBare().build();
    made.create(true);
    StoredConfig config = made.getConfig();
    // A token follows no redirect.
    config.setString("http", null, "followRedirects", "false");
    config.setBoolean("fetch", null, "fsckObjects", true);
    // What some histories hold from old versions of Git, and which harms nobody.
    for (String harmless :
        List.of("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "badDate")) {
      config.setString("fsck", null, harmless, "ignore");
    }
    // Nothing works on after a fetch has returned.
    config.setInt("gc", null, "auto", 0);
    config.setBoolean("gc", null, "autoDetach", false);
    config.save();
    return made;
  }

  private static FetchResult fetch(
      org.eclipse.jgit.lib.Repository into,
      String from,
      @Nullable CredentialsProvider credentials,
      int seconds,
      ProgressMonitor monitor)
      throws GitAPIException {
    try (Git git = new Git(into)) {
      return git.fetch()
          .setRemote(from)
          .setRefSpecs(EVERYTHING)
          .setTagOpt(TagOpt.NO_TAGS)
          .setCheckFetchedObjects(true)
          .setCredentialsProvider(credentials)
          .setTimeout(seconds)
          .setProgressMonitor(monitor)
          .call();
    }
  }

  private static Map<String, String> refs(org.eclipse.jgit.lib.Repository repository)
      throws IOException {
    Map<String, String> refs = new TreeMap<>();
    for (Ref ref : repository.getRefDatabase().getRefs()) {
      if (ref.getName().startsWith("refs/") && ref.getObjectId() != null) {
        refs.put(ref.getName(), ref.getObjectId().name());
      }
    }
    return refs;
  }

  private void requireSame(String what, Map<String, String> expected, Map<String, String> found) {
    if (!expected.equals(found)) {
      throw problem(
          "application.source-incomplete",
          FailureKind.PERMANENT,
          "has " + expected.size() + " refs, and " + what + " has others",
          "Look at it with git fsck.");
    }
  }

  private static void bundle(
      org.eclipse.jgit.lib.Repository mirror,
      Map<String, String> refs,
      Optional<String> head,
      Path file)
      throws IOException {
    BundleWriter writer = new BundleWriter(mirror);
    refs.forEach((name, id) -> writer.include(name, ObjectId.fromString(id)));
    head.map(refs::get).ifPresent(id -> writer.include(HEAD, ObjectId.fromString(id)));
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
      writer.writeBundle(NullProgressMonitor.INSTANCE, out);
    }
  }

  private Received look(
      Scratch scratch,
      org.eclipse.jgit.lib.Repository mirror,
      Map<String, String> refs,
      Optional<String> head,
      Path bundle,
      RunControl control)
      throws IOException, ConfigInvalidException {
    List<Gap> gaps = new ArrayList<>();
    Map<String, Long> counts = new TreeMap<>();
    List<Document> submodules = new ArrayList<>();
    Map<String, Entry> files = new TreeMap<>();
    Optional<String> commit = Optional.ofNullable(refs.get("refs/heads/" + branch));
    if (commit.isPresent()) {
      try (RevWalk walk = new RevWalk(mirror)) {
        RevCommit tip = walk.parseCommit(ObjectId.fromString(commit.get()));
        walk(mirror, tip, submodules, files);
      }
    } else {
      gaps.add(
          Gap.part(
              "branch " + branch,
              "application.no-branch",
              address + " has no branch " + branch + "; its history is stored all the same",
              "Set branch to one that it has."));
    }
    for (Document one : submodules) {
      gaps.add(
          Gap.part(
              one.require("path"),
              "application.submodule",
              "Submodule " + one.require("path") + " is a repository of its own",
              "Back it up as an application of its own."));
    }
    Map<String, LfsObjects.Pointer> pointers = pointers(mirror, refs, control);
    Map<String, Gap> missing =
        new LfsObjects(address, service, user, token, timeout)
            .fetch(pointers.values(), scratch.path().resolve(LFS), control);
    gaps.addAll(missing.values());
    List<Document> large = new ArrayList<>();
    pointers.forEach(
        (oid, one) ->
            large.add(
                Document.of(
                    Map.of(
                        "path", one.path(),
                        "oid", oid,
                        "size", one.size(),
                        "stored", !missing.containsKey(oid)))));
    Document about =
        Document.of(
            Map.of(
                "repository", address,
                "refs", refs,
                "head", head,
                "branch", branch,
                "commit", commit,
                "submodules", submodules,
                "lfs", large));
    Reference reference;
    try (InputStream in = Files.newInputStream(bundle)) {
      reference = Reference.of(in);
    }
    counts.put("refs", (long) refs.size());
    counts.put("bundleBytes", reference.length());
    counts.put("submodules", (long) submodules.size());
    counts.put("lfsObjects", (long) large.size());
    if (tree) {
      counts.put("treeFiles", (long) files.size());
    }
    return new Received(
        scratch, mirror, bundle, reference, about, tree ? files : null, gaps, counts);
  }

  /** What stands for LFS objects anywhere in the history, by their SHA-256. */
  private static Map<String, LfsObjects.Pointer> pointers(
      org.eclipse.jgit.lib.Repository mirror, Map<String, String> refs, RunControl control)
      throws IOException {
    Map<String, LfsObjects.Pointer> found = new TreeMap<>();
    try (ObjectWalk walk = new ObjectWalk(mirror)) {
      for (String id : refs.values()) {
        walk.markStart(walk.parseAny(ObjectId.fromString(id)));
      }
      while (walk.next() != null) {
        control.cancellation().check();
      }
      for (RevObject object = walk.nextObject(); object != null; object = walk.nextObject()) {
        control.cancellation().check();
        if (object.getType() == Constants.OBJ_BLOB
            && walk.getObjectReader().getObjectSize(object, Constants.OBJ_BLOB)
                <= MOST_POINTER_BYTES) {
          byte[] bytes = walk.getObjectReader().open(object).getBytes();
          Matcher pointer = POINTER.matcher(new String(bytes, StandardCharsets.UTF_8));
          if (pointer.matches()) {
            String oid = pointer.group(1);
            long size = Long.parseLong(pointer.group(2));
            found.putIfAbsent(oid, new LfsObjects.Pointer(oid, size, walk.getPathString()));
          }
        }
      }
    }
    return found;
  }

  /**
   * A file of the tree.
   *
   * @param link where a symbolic link leads
   */
  private record Entry(ObjectId id, boolean executable, Optional<String> link, Reference content) {}

  private void walk(
      org.eclipse.jgit.lib.Repository mirror,
      RevCommit tip,
      List<Document> submodules,
      Map<String, Entry> files)
      throws IOException, ConfigInvalidException {
    Config modules = new Config();
    Map<String, String> gitlinks = new TreeMap<>();
    try (TreeWalk walk = new TreeWalk(mirror)) {
      walk.addTree(tip.getTree());
      walk.setRecursive(true);
      while (walk.next()) {
        String path = walk.getPathString();
        FileMode mode = walk.getFileMode(0);
        ObjectId id = walk.getObjectId(0);
        if (mode.equals(FileMode.GITLINK)) {
          gitlinks.put(path, id.name());
          continue;
        }
        ObjectLoader loader = mirror.open(id);
        if (path.equals(".gitmodules")) {
          modules.fromText(new String(loader.getBytes(), StandardCharsets.UTF_8));
        }
        if (tree && !excluded.match(path)) {
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
    Map<String, String> urls = new LinkedHashMap<>();
    for (String name : modules.getSubsections("submodule")) {
      String path = modules.getString("submodule", name, "path");
      String url = modules.getString("submodule", name, "url");
      if (path != null && url != null) {
        // What stands before the host may be a credential.
        urls.put(path, url.replaceFirst("^([a-zA-Z+]+://)[^/@]*@", "$1"));
      }
    }
    gitlinks.forEach(
        (path, commit) ->
            submodules.add(
                Document.of(
                    Map.of(
                        "path",
                        path,
                        "commit",
                        commit,
                        "url",
                        Optional.ofNullable(urls.get(path))))));
  }

  /** The LFS objects that are in the backup. */
  private static List<Document> stored(Document about) {
    return about.list("lfs").stream()
        .filter(one -> one.value("stored").filter(Boolean.TRUE::equals).isPresent())
        .toList();
  }

  private static final class Received implements Prepared {
    private final Scratch scratch;
    private final org.eclipse.jgit.lib.Repository mirror;
    private final Path bundle;
    private final Reference reference;
    private final Document about;
    private final @Nullable Map<String, Entry> files;
    private final List<Gap> gaps;
    private final Map<String, Long> counts;

    Received(
        Scratch scratch,
        org.eclipse.jgit.lib.Repository mirror,
        Path bundle,
        Reference reference,
        Document about,
        @Nullable Map<String, Entry> files,
        List<Gap> gaps,
        Map<String, Long> counts) {
      this.scratch = scratch;
      this.mirror = mirror;
      this.bundle = bundle;
      this.reference = reference;
      this.about = about;
      this.files = files;
      this.gaps = gaps;
      this.counts = counts;
    }

    @Override
    public List<Gap> gaps() {
      return gaps;
    }

    @Override
    public Map<String, Long> counts() {
      return counts;
    }

    @Override
    public void write(ComponentWriter into) throws IOException {
      into.document(REFS, about);
      try (InputStream in = Files.newInputStream(bundle)) {
        into.object(BUNDLE, reference, in);
      }
      for (Document one : stored(about)) {
        String oid = one.require("oid");
        Reference content = new Reference(one.number("size", -1), oid);
        try (InputStream in = Files.newInputStream(scratch.path().resolve(LFS).resolve(oid))) {
          into.content(LFS + "/" + oid, 0600, content, in);
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
          try (InputStream in = mirror.open(entry.id()).openStream()) {
            into.content(
                "tree/" + file.getKey(), entry.executable() ? 0755 : 0644, entry.content(), in);
          }
        }
      }
      into.document(TREE, Document.of(Map.of("files", entries)));
    }

    @Override
    public void close() throws IOException {
      mirror.close();
      scratch.close();
    }
  }

  private static final class Cancelled extends EmptyProgressMonitor {
    private final RunControl control;

    Cancelled(RunControl control) {
      this.control = control;
    }

    @Override
    public boolean isCancelled() {
      return control.cancellation().requested();
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
    Path folder = wish.into().get().resolve(NAME);
    Path clone = folder.resolve("repository.git");
    steps.add(
        Step.lay(
            clone.toString(),
            "a bare clone with "
                + about.object("refs").names().size()
                + " refs"
                + (stored(about).isEmpty() ? "" : ", " + stored(about).size() + " LFS objects")
                + "; nothing is pushed to "
                + about.require("repository"),
            () -> restore(stored, about, clone)));
    if (stored.documents().containsKey(TREE)) {
      Path laid = folder.resolve("tree");
      Document files = stored.document(TREE);
      steps.add(
          Step.lay(
              laid.toString(),
              files.list("files").size() + " files of branch " + about.require("branch"),
              () -> layTree(stored, files, laid)));
    }
    for (Document one : about.list("submodules")) {
      steps.add(
          Step.none(
              one.require("path"),
              Step.Action.BY_HAND,
              "is a submodule at commit "
                  + one.require("commit")
                  + one.text("url").map(url -> " of " + url).orElse("")));
    }
    List<Document> away = new ArrayList<>(about.list("lfs"));
    away.removeAll(stored(about));
    for (Document one : away) {
      steps.add(
          Step.none(
              one.require("path"),
              Step.Action.BY_HAND,
              "is LFS object " + one.require("oid") + ", which is not in this backup"));
    }
    return steps;
  }

  private String restore(StoredComponent stored, Document about, Path clone) throws IOException {
    Path bundle = clone.resolveSibling(BUNDLE);
    Reference expected = stored.documents().get(BUNDLE);
    stored.lay(Map.of(BUNDLE, bundle), expected == null ? Map.of() : Map.of(BUNDLE, expected));
    Map<String, String> refs = new TreeMap<>();
    Document stands = about.object("refs");
    for (String name : stands.names()) {
      refs.put(name, stands.require(name));
    }
    try (org.eclipse.jgit.lib.Repository made = bare(clone)) {
      fetch(made, bundle.toString(), null, 0, NullProgressMonitor.INSTANCE);
      requireSame("what was restored", refs, refs(made));
      Optional<String> head = about.text("head");
      if (head.isPresent()) {
        RefUpdate.Result linked = made.updateRef(HEAD).link(head.get());
        if (linked == RefUpdate.Result.LOCK_FAILURE || linked == RefUpdate.Result.IO_FAILURE) {
          throw new IOException("HEAD of the clone could not be set: " + linked);
        }
      }
      StoredConfig config = made.getConfig();
      for (String ours : List.of("http", "fetch", "fsck", "gc")) {
        config.unsetSection(ours, null);
      }
      config.save();
    } catch (GitAPIException e) {
      throw failure(e);
    }
    Files.delete(bundle);
    layLarge(stored, stored(about), clone);
    return refs.size()
        + " refs are as in the backup. Work with it: git clone "
        + clone
        + ". To have it on a server again, make a new, empty repository there and run: git -C "
        + clone
        + " push --mirror NEW-ADDRESS. Into a repository with anything in it that would remove what"
        + " came since";
  }

  /** Where {@code git lfs} looks for them before it asks anybody. */
  private static void layLarge(StoredComponent stored, List<Document> objects, Path clone)
      throws IOException {
    Map<String, Path> targets = new LinkedHashMap<>();
    Map<String, Reference> expected = new LinkedHashMap<>();
    for (Document one : objects) {
      String oid = one.require("oid");
      String name = LFS + "/" + oid;
      String place = "lfs/objects/" + oid.substring(0, 2) + "/" + oid.substring(2, 4) + "/" + oid;
      targets.put(name, Globs.below(clone, place));
      expected.put(name, new Reference(one.number("size", -1), oid));
    }
    stored.lay(targets, expected);
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

  private BackupException problem(String code, FailureKind kind, String problem, String remedy) {
    return BackupException.of(code, kind, address + " " + problem).remedy(remedy).build();
  }

  /** In our words: those of the service may repeat what it was sent. */
  private BackupException failure(GitAPIException failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof CorruptObjectException || cause instanceof MissingObjectException) {
        return problem(
            "application.source-damaged",
            FailureKind.PERMANENT,
            "gives objects that are damaged or missing",
            "Look at it with git fsck, and repair it from another clone.");
      }
      String words = String.valueOf(cause.getMessage());
      if (words.contains(JGitText.get().notAuthorized)
          || words.contains(JGitText.get().authenticationNotSupported)
          || words.contains("not permitted")
          || words.contains("no CredentialsProvider")) {
        return problem(
            "application.unauthorized",
            FailureKind.PERMANENT,
            "does not accept the token, or wants one",
            "Give a token that may read the repository.");
      }
      if (cause instanceof NoRemoteRepositoryException
          || cause instanceof org.eclipse.jgit.api.errors.InvalidRemoteException) {
        return problem(
            "application.no-such-place",
            FailureKind.PERMANENT,
            "is no Git repository, or is hidden from this token",
            "Correct the address, or let the token see it.");
      }
      if (cause instanceof org.eclipse.jgit.api.errors.CanceledException) {
        return BackupException.of("cancelled", FailureKind.CANCELLED, "Cancelled").build();
      }
    }
    return problem(
        "application.unavailable",
        FailureKind.TRANSIENT,
        "could not be fetched from",
        "Look at the network and the service, and at the repository with git fsck.");
  }

  @Override
  public void close() {
    if (token != null) {
      token.close();
    }
  }
}
