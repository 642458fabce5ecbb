package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.eclipse.jgit.api.Git;
import org.eclipse.jgit.api.errors.GitAPIException;
import org.eclipse.jgit.dircache.DirCache;
import org.eclipse.jgit.dircache.DirCacheCheckout;
import org.eclipse.jgit.lib.Constants;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.RefUpdate;
import org.eclipse.jgit.lib.Repository;
import org.eclipse.jgit.lib.StoredConfig;
import org.eclipse.jgit.revwalk.RevWalk;
import org.eclipse.jgit.storage.file.FileRepositoryBuilder;
import org.eclipse.jgit.transport.FetchResult;
import org.eclipse.jgit.transport.RefSpec;
import org.eclipse.jgit.transport.TagOpt;

/** Lays repositories of a backup down as Git would have them. Used by one thread. */
final class GitRestore {
  /** A name is a folder within {@code .git/modules}. */
  private static final Pattern MODULE = Pattern.compile("[^-/\\\\\\p{Cntrl}][^\\\\\\p{Cntrl}]*");

  private final StoredComponent stored;

  GitRestore(StoredComponent stored) {
    this.stored = stored;
  }

  private static Map<String, String> refs(Document about) {
    Map<String, String> refs = new TreeMap<>();
    Document stands = about.object("refs");
    for (String name : stands.names()) {
      refs.put(name, stands.require(name));
    }
    return refs;
  }

  /**
   * A bare clone with every ref as it was.
   *
   * @param about the repository's document
   * @param bundle where its bundle is in the backup
   */
  void bare(Document about, String bundle, Path clone) throws IOException {
    Path laid = clone.resolveSibling(clone.getFileName() + ".bundle");
    Reference expected = stored.documents().get(bundle);
    stored.lay(Map.of(bundle, laid), expected == null ? Map.of() : Map.of(bundle, expected));
    Map<String, String> refs = refs(about);
    String address = about.require("repository");
    try (Repository made = GitMirror.bare(clone)) {
      GitMirror.fill(made, laid);
      GitMirror.requireSame(address, "what was restored", refs, GitMirror.refs(made));
      Optional<String> head = about.text("head");
      if (head.isPresent()) {
        require(made.updateRef(Constants.HEAD).link(head.get()), "HEAD of " + clone);
      }
      GitMirror.relax(made.getConfig());
    } catch (GitAPIException e) {
      throw GitMirror.failure(address, e);
    }
    Files.delete(laid);
    layLarge(GitSource.stored(about), clone);
  }

  private static void require(RefUpdate.Result result, String what) throws IOException {
    switch (result) {
      case NEW, FORCED, NO_CHANGE, FAST_FORWARD, RENAMED -> {}
      default -> throw new IOException(what + " could not be set: " + result);
    }
  }

  /** Where {@code git lfs} looks for them before it asks anybody. */
  private void layLarge(List<Document> objects, Path clone) throws IOException {
    Map<String, Path> targets = new LinkedHashMap<>();
    Map<String, Reference> expected = new LinkedHashMap<>();
    for (Document one : objects) {
      String oid = one.require("oid");
      String name = GitSource.LFS + "/" + oid;
      String place = "lfs/objects/" + oid.substring(0, 2) + "/" + oid.substring(2, 4) + "/" + oid;
      targets.put(name, Globs.below(clone, place));
      expected.put(name, new Reference(one.number("size", -1), oid));
    }
    stored.lay(targets, expected);
  }

  /**
   * A clone to work in, with the submodules of a commit where they belong, and theirs.
   *
   * @param about the repository's document
   * @param bare its bare clone
   * @param submodules those in the backup: document and bare clone, by id
   * @return how many submodules were checked out
   */
  int checkout(
      Document about, Path bare, Map<String, Module> submodules, Path folder, List<String> left)
      throws IOException {
    String commit = about.require("commit");
    String branch = about.require("branch");
    Path directory = folder.resolve(Constants.DOT_GIT);
    try (Repository made = clone(bare, directory, folder, about.require("repository"))) {
      require(
          update(made, Constants.R_HEADS + branch, commit), "branch " + branch + " of " + folder);
      require(made.updateRef(Constants.HEAD).link(Constants.R_HEADS + branch), "HEAD of " + folder);
      StoredConfig config = made.getConfig();
      config.setString("branch", branch, "remote", Constants.DEFAULT_REMOTE_NAME);
      config.setString("branch", branch, "merge", Constants.R_HEADS + branch);
      config.save();
      files(made, commit);
    }
    return modules(about.list("submodules"), directory, folder, submodules, left, "");
  }

  /**
   * A submodule's repository.
   *
   * @param about its document
   * @param bare its bare clone
   */
  record Module(Document about, Path bare) {
    List<Document> submodules(String commit) {
      for (Document one : about.list("commits")) {
        if (one.require("commit").equals(commit)) {
          return one.list("submodules");
        }
      }
      return List.of();
    }
  }

  private static int modules(
      List<Document> links,
      Path directory,
      Path work,
      Map<String, Module> known,
      List<String> left,
      String prefix)
      throws IOException {
    int done = 0;
    List<String> names = new ArrayList<>();
    for (Document link : links) {
      Module module = link.text("repository").map(known::get).orElse(null);
      if (module == null) {
        continue;
      }
      String path = link.require("path");
      String name = link.text("name").orElse(path);
      if (!isFree(name, names) || !isOrdinary(work, path)) {
        left.add(prefix + path);
        continue;
      }
      names.add(name);
      Path own = Globs.below(directory.resolve("modules"), name);
      Path place = Globs.below(work, path);
      String commit = link.require("commit");
      try (Repository made =
          clone(module.bare(), own, place, module.about().require("repository"))) {
        StoredConfig config = made.getConfig();
        config.setString("core", null, "worktree", own.relativize(place).toString());
        config.save();
        Files.writeString(
            place.resolve(Constants.DOT_GIT),
            "gitdir: " + place.relativize(own) + "\n",
            StandardCharsets.UTF_8);
        RefUpdate head = made.updateRef(Constants.HEAD, true);
        head.setNewObjectId(ObjectId.fromString(commit));
        require(head.forceUpdate(), "HEAD of " + place);
        files(made, commit);
      }
      try (Repository outer =
          new FileRepositoryBuilder()
              .setGitDir(directory.toFile())
              .setWorkTree(work.toFile())
              .build()) {
        StoredConfig config = outer.getConfig();
        config.setBoolean("submodule", name, "active", true);
        config.setString("submodule", name, "url", module.about().require("repository"));
        config.save();
      }
      done += 1 + modules(module.submodules(commit), own, place, known, left, prefix + path + "/");
    }
    return done;
  }

  /** Whether it is a name within its folder, and neither within another's folder nor around it. */
  private static boolean isFree(String name, List<String> others) {
    if (!MODULE.matcher(name).matches()) {
      return false;
    }
    for (String part : name.split("/", -1)) {
      if (part.isEmpty() || part.equals(".") || part.equals("..")) {
        return false;
      }
    }
    String all = name + "/";
    return others.stream()
        .map(other -> other + "/")
        .noneMatch(other -> other.startsWith(all) || all.startsWith(other));
  }

  /** A link among the files of a commit would lead what is laid there somewhere else. */
  private static boolean isOrdinary(Path work, String path) {
    Path at = work;
    for (String part : path.split("/", -1)) {
      at = at.resolve(part);
      if (part.equals("..") || !Files.isDirectory(at, LinkOption.NOFOLLOW_LINKS)) {
        return false;
      }
    }
    return true;
  }

  /** As a clone of the address would be, from the bare clone beside it. */
  private static Repository clone(Path bare, Path directory, Path work, String address)
      throws IOException {
    Folders.make(work);
    Repository made =
        new FileRepositoryBuilder()
            .setGitDir(directory.toFile())
            .setWorkTree(work.toFile())
            .build();
    boolean whole = false;
    try (Git git = new Git(made)) {
      made.create(false);
      StoredConfig config = made.getConfig();
      GitMirror.strict(config);
      config.save();
      FetchResult unused =
          git.fetch()
              .setRemote(bare.toString())
              .setRefSpecs(asClones(bare))
              .setTagOpt(TagOpt.NO_TAGS)
              .setCheckFetchedObjects(true)
              .call();
      GitMirror.relax(config);
      config.setString("remote", Constants.DEFAULT_REMOTE_NAME, "url", address);
      config.setString(
          "remote", Constants.DEFAULT_REMOTE_NAME, "fetch", "+refs/heads/*:refs/remotes/origin/*");
      config.save();
      link(bare.resolve("lfs"), directory.resolve("lfs"));
      whole = true;
      return made;
    } catch (GitAPIException e) {
      throw GitMirror.failure(address, e);
    } finally {
      if (!whole) {
        made.close();
      }
    }
  }

  /** Branches become those of the remote; what else there is keeps its name. */
  private static List<RefSpec> asClones(Path bare) throws IOException {
    Set<String> spaces = new LinkedHashSet<>();
    try (Repository from = new FileRepositoryBuilder().setGitDir(bare.toFile()).build()) {
      for (String name : GitMirror.refs(from).keySet()) {
        String[] parts = name.split("/", 3);
        if (parts.length == 3 && !parts[1].equals("remotes")) {
          spaces.add(parts[1]);
        }
      }
    }
    List<RefSpec> specs = new ArrayList<>();
    for (String each : spaces) {
      String to = each.equals("heads") ? "remotes/origin" : each;
      specs.add(new RefSpec("+refs/" + each + "/*:refs/" + to + "/*"));
    }
    return specs;
  }

  private static RefUpdate.Result update(Repository made, String ref, String commit)
      throws IOException {
    RefUpdate update = made.updateRef(ref);
    update.setNewObjectId(ObjectId.fromString(commit));
    return update.forceUpdate();
  }

  private static void files(Repository made, String commit) throws IOException {
    try (RevWalk walk = new RevWalk(made)) {
      ObjectId tree = walk.parseCommit(ObjectId.fromString(commit)).getTree();
      DirCache index = made.lockDirCache();
      try {
        if (!new DirCacheCheckout(made, null, index, tree).checkout()) {
          throw BackupException.of(
                  "application.not-laid",
                  FailureKind.PERMANENT,
                  "Not all files of commit " + commit + " could be laid in " + made.getWorkTree())
              .remedy("Clone the bare repository beside it with git.")
              .build();
        }
      } finally {
        index.unlock();
      }
    }
  }

  /** The same files under another name; they are never changed. */
  private static void link(Path from, Path to) throws IOException {
    if (!Files.isDirectory(from)) {
      return;
    }
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path each, BasicFileAttributes attributes)
              throws IOException {
            Folders.make(to.resolve(from.relativize(each).toString()));
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path each, BasicFileAttributes attributes)
              throws IOException {
            Path target = to.resolve(from.relativize(each).toString());
            try {
              Files.createLink(target, each);
            } catch (UnsupportedOperationException e) {
              Files.copy(each, target);
            }
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
