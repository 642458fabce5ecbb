package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.jgit.api.FetchCommand;
import org.eclipse.jgit.api.Git;
import org.eclipse.jgit.api.errors.GitAPIException;
import org.eclipse.jgit.errors.CorruptObjectException;
import org.eclipse.jgit.errors.IncorrectObjectTypeException;
import org.eclipse.jgit.errors.MissingObjectException;
import org.eclipse.jgit.errors.NoRemoteRepositoryException;
import org.eclipse.jgit.internal.JGitText;
import org.eclipse.jgit.lib.Constants;
import org.eclipse.jgit.lib.EmptyProgressMonitor;
import org.eclipse.jgit.lib.NullProgressMonitor;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.ObjectReader;
import org.eclipse.jgit.lib.ProgressMonitor;
import org.eclipse.jgit.lib.Ref;
import org.eclipse.jgit.lib.RefUpdate;
import org.eclipse.jgit.lib.Repository;
import org.eclipse.jgit.lib.StoredConfig;
import org.eclipse.jgit.revwalk.ObjectWalk;
import org.eclipse.jgit.revwalk.RevObject;
import org.eclipse.jgit.revwalk.RevWalk;
import org.eclipse.jgit.storage.file.FileRepositoryBuilder;
import org.eclipse.jgit.transport.BundleWriter;
import org.eclipse.jgit.transport.FetchResult;
import org.eclipse.jgit.transport.RefSpec;
import org.eclipse.jgit.transport.TagOpt;
import org.eclipse.jgit.treewalk.TreeWalk;

/**
 * A repository that was received whole: every ref it shows, every object checked, and one bundle of
 * all that, which was read back. Used by one thread.
 */
final class GitMirror implements Closeable {
  /** What was asked for by its id, as no ref leads there any more. */
  static final String KEPT = "refs/thorbis/commits/";

  private static final RefSpec EVERYTHING = new RefSpec("+refs/*:refs/*");
  private static final int MOST_POINTER_BYTES = 1024;
  private static final int MOST_CONFIGURATION_BYTES = 1 << 20;
  private static final Pattern POINTER =
      Pattern.compile(
          "version https://git-lfs\\.github\\.com/spec/v1\\R(?:.*\\R)*?"
              + "oid sha256:([0-9a-f]{64})\\Rsize ([0-9]{1,18})\\R");

  private final GitAddress address;
  private final GitAccess access;
  private final Path folder;
  private final Repository repository;
  private final Map<String, String> refs;
  private final Optional<String> head;

  private GitMirror(
      GitAddress address,
      GitAccess access,
      Path folder,
      Repository repository,
      Map<String, String> refs,
      Optional<String> head) {
    this.address = address;
    this.access = access;
    this.folder = folder;
    this.repository = repository;
    this.refs = refs;
    this.head = head;
  }

  /**
   * Fetches everything.
   *
   * @param folder a new one, for this alone
   */
  static GitMirror receive(GitAddress address, GitAccess access, Path folder, RunControl control)
      throws IOException {
    Repository made = bare(folder.resolve("mirror.git"));
    boolean whole = false;
    try (Git git = new Git(made)) {
      FetchCommand fetch = everything(git, address.text()).setProgressMonitor(new Watch(control));
      access.prepare(fetch, address);
      FetchResult result = fetch.call();
      Map<String, String> refs = new TreeMap<>();
      for (Ref ref : result.getAdvertisedRefs()) {
        if (ref.getName().startsWith(Constants.R_REFS) && ref.getObjectId() != null) {
          refs.put(ref.getName(), ref.getObjectId().name());
        }
      }
      if (refs.isEmpty()) {
        throw problem(
            address.text(),
            "application.source-empty",
            FailureKind.PERMANENT,
            "has no refs",
            "Push to it first.");
      }
      requireSame(address.text(), "what was received", refs, refs(made));
      Ref head = result.getAdvertisedRef(Constants.HEAD);
      Optional<String> standard =
          head != null && head.isSymbolic()
              ? Optional.of(head.getTarget().getName())
              : Optional.empty();
      GitMirror mirror = new GitMirror(address, access, folder, made, refs, standard);
      whole = true;
      return mirror;
    } catch (GitAPIException e) {
      throw failure(address.text(), e);
    } finally {
      if (!whole) {
        made.close();
      }
    }
  }

  GitAddress address() {
    return address;
  }

  Repository repository() {
    return repository;
  }

  /** What each ref leads to, by its name. */
  Map<String, String> refs() {
    return refs;
  }

  /** Which ref HEAD is. */
  Optional<String> head() {
    return head;
  }

  Path bundle() {
    return folder.resolve("repository.bundle");
  }

  /** The commits that refs lead to, those of tags too. */
  Set<ObjectId> tips() throws IOException {
    Set<ObjectId> tips = new TreeSet<>();
    try (RevWalk walk = new RevWalk(repository)) {
      for (String id : Set.copyOf(refs.values())) {
        RevObject object = walk.peel(walk.parseAny(ObjectId.fromString(id)));
        if (object.getType() == Constants.OBJ_COMMIT) {
          tips.add(object.copy());
        }
      }
    }
    return tips;
  }

  /**
   * Makes sure that a commit is in the bundle. One that no ref leads to is asked for by its id, and
   * gets a ref.
   *
   * @return whether it is to be had
   */
  boolean keep(String commit, RunControl control) throws IOException {
    if (refs.containsKey(KEPT + commit) || leadsTo(repository, commit)) {
      return true;
    }
    try (Git git = new Git(repository)) {
      FetchCommand fetch =
          git.fetch()
              .setRemote(address.text())
              .setRefSpecs(new RefSpec(commit + ":" + KEPT + commit))
              .setTagOpt(TagOpt.NO_TAGS)
              .setCheckFetchedObjects(true)
              .setProgressMonitor(new Watch(control));
      access.prepare(fetch, address);
      FetchResult unused = fetch.call();
      requireWhole(commit);
    } catch (GitAPIException | MissingObjectException | IncorrectObjectTypeException e) {
      // Services say in their own words that they have it not, or do not give it away.
      control.cancellation().check();
      return false;
    }
    RefUpdate update = repository.updateRef(KEPT + commit);
    update.setNewObjectId(ObjectId.fromString(commit));
    RefUpdate.Result made = update.forceUpdate();
    if (made != RefUpdate.Result.NEW && made != RefUpdate.Result.NO_CHANGE) {
      throw new IOException("A ref for " + commit + " could not be set: " + made);
    }
    refs.put(KEPT + commit, commit);
    return true;
  }

  private void requireWhole(String commit) throws IOException {
    try (ObjectWalk walk = new ObjectWalk(repository)) {
      walk.markStart(walk.parseCommit(ObjectId.fromString(commit)));
      for (String id : refs.values()) {
        walk.markUninteresting(walk.parseAny(ObjectId.fromString(id)));
      }
      walk.checkConnectivity();
    }
  }

  private static boolean isCommit(Repository repository, String id) throws IOException {
    try (ObjectReader reader = repository.newObjectReader()) {
      ObjectId commit = ObjectId.fromString(id);
      return reader.has(commit, Constants.OBJ_COMMIT);
    }
  }

  private static boolean leadsTo(Repository repository, String commit) throws IOException {
    if (!isCommit(repository, commit)) {
      return false;
    }
    try (RevWalk walk = new RevWalk(repository)) {
      return walk.isMergedIntoAny(
          walk.parseCommit(ObjectId.fromString(commit)), repository.getRefDatabase().getRefs());
    }
  }

  /**
   * Writes the bundle, and reads it back into an empty repository.
   *
   * @param commits must be in it
   */
  void write(Collection<String> commits) throws IOException {
    BundleWriter writer = new BundleWriter(repository);
    refs.forEach((name, id) -> writer.include(name, ObjectId.fromString(id)));
    head.map(refs::get).ifPresent(id -> writer.include(Constants.HEAD, ObjectId.fromString(id)));
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(bundle()))) {
      writer.writeBundle(NullProgressMonitor.INSTANCE, out);
    }
    Path again = folder.resolve("back.git");
    try (Repository back = bare(again)) {
      fill(back, bundle());
      requireSame(address.text(), "its bundle", refs, refs(back));
      for (String commit : commits) {
        if (!leadsTo(back, commit)) {
          throw problem(
              address.text(),
              "application.source-incomplete",
              FailureKind.PERMANENT,
              "has commit " + commit + ", and its bundle has not",
              "Look at it with git fsck.");
        }
      }
    } catch (GitAPIException e) {
      throw failure(address.text(), e);
    }
    Folders.remove(again);
  }

  /** A file of a commit, if it is a small one. */
  Optional<String> text(ObjectId commit, String path) throws IOException {
    try (RevWalk walk = new RevWalk(repository);
        TreeWalk found = TreeWalk.forPath(repository, path, walk.parseCommit(commit).getTree())) {
      if (found == null
          || (found.getRawMode(0) & 0170000) != 0100000
          || walk.getObjectReader().getObjectSize(found.getObjectId(0), Constants.OBJ_BLOB)
              > MOST_CONFIGURATION_BYTES) {
        return Optional.empty();
      }
      return Optional.of(
          new String(repository.open(found.getObjectId(0)).getBytes(), StandardCharsets.UTF_8));
    }
  }

  /** What stands for LFS objects anywhere in the history, by their SHA-256. */
  Map<String, LfsObjects.Pointer> pointers(RunControl control) throws IOException {
    Map<String, LfsObjects.Pointer> found = new TreeMap<>();
    try (ObjectWalk walk = new ObjectWalk(repository)) {
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

  Reference reference() throws IOException {
    try (InputStream in = Files.newInputStream(bundle())) {
      return Reference.of(in);
    }
  }

  /** A new, empty repository that checks what comes in. */
  static Repository bare(Path folder) throws IOException {
    Folders.make(folder);
    Repository made = new FileRepositoryBuilder().setGitDir(folder.toFile()).setBare().build();
    made.create(true);
    StoredConfig config = made.getConfig();
    // A token follows no redirect.
    config.setString("http", null, "followRedirects", "false");
    strict(config);
    config.save();
    return made;
  }

  static void strict(StoredConfig config) {
    config.setBoolean("fetch", null, "fsckObjects", true);
    // What some histories hold from old versions of Git, and which harms nobody.
    for (String harmless :
        List.of("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate", "badDate")) {
      config.setString("fsck", null, harmless, "ignore");
    }
    // Nothing works on after a fetch has returned.
    config.setInt("gc", null, "auto", 0);
    config.setBoolean("gc", null, "autoDetach", false);
  }

  /** Takes out again what {@link #bare} set for itself. */
  static void relax(StoredConfig config) throws IOException {
    for (String ours : List.of("http", "fetch", "fsck", "gc")) {
      config.unsetSection(ours, null);
    }
    config.save();
  }

  /** Fetches every ref of a bundle. */
  static void fill(Repository into, Path bundle) throws GitAPIException {
    try (Git git = new Git(into)) {
      FetchResult unused = everything(git, bundle.toString()).call();
    }
  }

  private static FetchCommand everything(Git git, String from) {
    return git.fetch()
        .setRemote(from)
        .setRefSpecs(EVERYTHING)
        .setTagOpt(TagOpt.NO_TAGS)
        .setCheckFetchedObjects(true);
  }

  static Map<String, String> refs(Repository repository) throws IOException {
    Map<String, String> refs = new TreeMap<>();
    for (Ref ref : repository.getRefDatabase().getRefs()) {
      if (ref.getName().startsWith(Constants.R_REFS) && ref.getObjectId() != null) {
        refs.put(ref.getName(), ref.getObjectId().name());
      }
    }
    return refs;
  }

  static void requireSame(
      String address, String what, Map<String, String> expected, Map<String, String> found) {
    if (!expected.equals(found)) {
      throw problem(
          address,
          "application.source-incomplete",
          FailureKind.PERMANENT,
          "has " + expected.size() + " refs, and " + what + " has others",
          "Look at it with git fsck.");
    }
  }

  private static BackupException problem(
      String address, String code, FailureKind kind, String problem, String remedy) {
    return BackupException.of(code, kind, address + " " + problem).remedy(remedy).build();
  }

  /** In our words: those of the service may repeat what it was sent. */
  static BackupException failure(String address, GitAPIException failure) {
    for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
      if (cause instanceof BackupException ours) {
        return problem(
            address,
            ours.code(),
            ours.kind(),
            "could not be fetched: " + ours.getMessage(),
            ours.remedy());
      }
      if (cause instanceof CorruptObjectException || cause instanceof MissingObjectException) {
        return problem(
            address,
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
            address,
            "application.unauthorized",
            FailureKind.PERMANENT,
            "does not accept the token, or wants one",
            "Give a token that may read the repository.");
      }
      if (cause instanceof NoRemoteRepositoryException
          || cause instanceof org.eclipse.jgit.api.errors.InvalidRemoteException) {
        return problem(
            address,
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
        address,
        "application.unavailable",
        FailureKind.TRANSIENT,
        "could not be fetched from",
        "Look at the network and the service, and at the repository with git fsck.");
  }

  /** Stops a fetch that is cancelled. */
  private static final class Watch extends EmptyProgressMonitor implements ProgressMonitor {
    private final RunControl control;

    Watch(RunControl control) {
      this.control = control;
    }

    @Override
    public boolean isCancelled() {
      return control.cancellation().requested();
    }
  }

  @Override
  public void close() {
    repository.close();
  }
}
