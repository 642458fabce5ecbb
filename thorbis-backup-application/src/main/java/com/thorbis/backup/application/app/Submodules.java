package com.thorbis.backup.application.app;

import com.thorbis.backup.spi.repository.RunControl;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.eclipse.jgit.errors.ConfigInvalidException;
import org.eclipse.jgit.lib.Config;
import org.eclipse.jgit.lib.FileMode;
import org.eclipse.jgit.lib.ObjectId;
import org.eclipse.jgit.lib.ObjectReader;
import org.eclipse.jgit.revwalk.RevWalk;
import org.eclipse.jgit.treewalk.CanonicalTreeParser;

/**
 * The repositories that a repository has among its files, and theirs in turn: those of the commits
 * that its refs lead to, and of the commits that are recorded there. Each is received whole, once.
 * One that is not to be had is a gap, and stops no other. Used by one thread.
 */
final class Submodules implements Closeable {
  static final String MODULES = ".gitmodules";

  private static final int MOST_DEPTH = 8;
  private static final int MOST_REPOSITORIES = 100;
  private static final int MOST_LINKS = 10_000;
  private static final int MOST_FOLDERS = 1000;

  private final GitAccess access;
  private final Path folder;
  private final RunControl control;
  private final Map<String, Node> nodes = new LinkedHashMap<>();
  private final Map<String, Gap> failed = new HashMap<>();
  private final Set<Gap> gaps = new LinkedHashSet<>();
  private final Set<String> places = new TreeSet<>();
  private final Deque<Work> queue = new ArrayDeque<>();

  /**
   * None yet.
   *
   * @param folder where they are received, in a folder of their own each
   */
  Submodules(GitAccess access, Path folder, RunControl control) {
    this.access = access;
    this.folder = folder;
    this.control = control;
  }

  /** What a commit has at a path instead of a file. */
  private record Place(String path, String commit) {}

  /**
   * A submodule of a commit.
   *
   * @param url as it is written there, without what stands before the host
   * @param name by which {@code .gitmodules} calls it
   */
  private record Link(Place place, Optional<String> url, Optional<String> name) {}

  private record Followed(Link link, Optional<String> node) {}

  private record Work(Node in, ObjectId commit, String prefix, int depth) {}

  /** A repository, and what is known of its commits. */
  private static final class Node {
    private final String id;
    private final String label;
    private final GitMirror mirror;
    private final Map<String, List<Followed>> commits = new TreeMap<>();
    private final Map<ObjectId, List<Place>> folders = new HashMap<>();

    Node(String id, String label, GitMirror mirror) {
      this.id = id;
      this.label = label;
      this.mirror = mirror;
    }
  }

  /**
   * A submodule's repository that was received.
   *
   * @param id stands for its address
   * @param label the first path at which it was met
   * @param commits those that were asked of it
   */
  record Received(String id, String label, GitMirror mirror, List<String> commits) {}

  /**
   * Receives what a repository refers to.
   *
   * @param branch looked through first
   */
  void receive(GitMirror root, Optional<ObjectId> branch) throws IOException {
    Node top = top(root);
    Set<ObjectId> commits = new LinkedHashSet<>();
    branch.ifPresent(commits::add);
    commits.addAll(root.tips());
    for (ObjectId commit : commits) {
      queue.add(new Work(top, commit, "", 1));
      while (!queue.isEmpty()) {
        control.cancellation().check();
        look(queue.remove());
      }
    }
    for (Node node : List.copyOf(nodes.values())) {
      node.folders.clear();
      if (node != top) {
        bundle(node);
      }
    }
  }

  /** Whose submodules they are: nobody's itself. */
  private Node top(GitMirror root) {
    Node top = new Node("", "", root);
    nodes.put("", top);
    return top;
  }

  private void bundle(Node node) {
    try {
      node.mirror.write(node.commits.keySet());
    } catch (IOException | RuntimeException e) {
      gaps.add(named(node.label, Gap.of(node.label, e)));
      nodes.remove(node.id);
      node.mirror.close();
    }
  }

  private void look(Work work) throws IOException {
    List<Followed> followed = new ArrayList<>();
    for (Link link : links(work)) {
      followed.add(new Followed(link, follow(work, link)));
    }
    work.in().commits.put(work.commit().name(), followed);
  }

  private Optional<String> follow(Work work, Link link) throws IOException {
    String path = work.prefix() + link.place().path();
    if (places.size() >= MOST_LINKS && !places.contains(path + link.place().commit())) {
      gaps.add(tooMany("has more than " + MOST_LINKS + " submodules"));
      return Optional.empty();
    }
    places.add(path + link.place().commit());
    if (link.url().isEmpty()) {
      gaps.add(
          gap(
              path,
              "application.submodule-address",
              "has no address in .gitmodules",
              "Write it there."));
      return Optional.empty();
    }
    if (work.depth() > MOST_DEPTH) {
      gaps.add(tooMany("has submodules of submodules more than " + MOST_DEPTH + " deep"));
      return Optional.empty();
    }
    GitAddress parent = work.in().mirror.address();
    GitAddress address;
    try {
      address = parent.resolve(link.url().get());
      access.requireFollowed(parent, address);
    } catch (GitAddress.NotFollowedException e) {
      gaps.add(
          gap(path, "application.submodule-address", String.valueOf(e.getMessage()), e.remedy()));
      return Optional.empty();
    }
    Optional<Node> node = node(address, path);
    if (node.isEmpty()) {
      return Optional.empty();
    }
    String commit = link.place().commit();
    if (node.get().commits.containsKey(commit)) {
      return Optional.of(node.get().id);
    }
    if (!node.get().mirror.keep(commit, control)) {
      gaps.add(
          gap(
              path,
              "application.submodule-commit",
              "is recorded at commit "
                  + commit
                  + ", which "
                  + address
                  + " does not give: no ref leads there",
              "Push that commit there under a ref, from a clone that has it."));
      return Optional.empty();
    }
    node.get().commits.put(commit, List.of());
    queue.add(new Work(node.get(), ObjectId.fromString(commit), path + "/", work.depth() + 1));
    return Optional.of(node.get().id);
  }

  private Optional<Node> node(GitAddress address, String path) {
    String id = id(address);
    Gap before = failed.get(id);
    if (before != null) {
      gaps.add(named(path, before));
      return Optional.empty();
    }
    Node known = nodes.get(id);
    if (known != null) {
      return Optional.of(known);
    }
    if (nodes.size() > MOST_REPOSITORIES) {
      gaps.add(tooMany("has submodules from more than " + MOST_REPOSITORIES + " repositories"));
      return Optional.empty();
    }
    try {
      Node made =
          new Node(id, path, GitMirror.receive(address, access, folder.resolve(id), control));
      nodes.put(id, made);
      return Optional.of(made);
    } catch (IOException | RuntimeException e) {
      Gap why = Gap.of(path, e);
      failed.put(id, why);
      gaps.add(named(path, why));
      return Optional.empty();
    }
  }

  private static String id(GitAddress address) {
    return Reference.of(address.text().getBytes(StandardCharsets.UTF_8)).sha256().substring(0, 16);
  }

  private static Gap gap(String path, String code, String problem, String remedy) {
    return Gap.part(path, code, "Submodule " + path + " " + problem, remedy);
  }

  private static Gap named(String path, Gap why) {
    return new Gap(
        path, why.code(), "Submodule " + path + ": " + why.message(), why.remedy(), why.whole());
  }

  private static Gap tooMany(String problem) {
    return Gap.part(
        "submodules",
        "application.submodule-limit",
        "The repository " + problem + ": those beyond are not in the backup",
        "Back up what is missing as applications of their own.");
  }

  /** The submodules of a commit. */
  private List<Link> links(Work work) throws IOException {
    GitMirror mirror = work.in().mirror;
    List<Place> found;
    try (RevWalk walk = new RevWalk(mirror.repository())) {
      found =
          places(
              walk.getObjectReader(),
              walk.parseCommit(work.commit()).getTree(),
              work.in().folders,
              0);
    }
    if (found.isEmpty()) {
      return List.of();
    }
    Map<String, String> urls = new HashMap<>();
    Map<String, String> names = new HashMap<>();
    try {
      Config modules = new Config();
      modules.fromText(mirror.text(work.commit(), MODULES).orElse(""));
      for (String name : modules.getSubsections("submodule")) {
        String path = modules.getString("submodule", name, "path");
        String url = modules.getString("submodule", name, "url");
        if (path != null && url != null) {
          // What stands before the host may be a credential.
          urls.put(path, url.replaceFirst("^(?i)(https?://)[^/@]*@", "$1"));
          names.put(path, name);
        }
      }
    } catch (ConfigInvalidException | RuntimeException e) {
      gaps.add(
          gap(
              work.prefix() + MODULES,
              "application.submodule-address",
              "cannot be understood at commit " + work.commit().name(),
              "Correct it."));
    }
    return found.stream()
        .map(
            one ->
                new Link(
                    one,
                    Optional.ofNullable(urls.get(one.path())),
                    Optional.ofNullable(names.get(one.path()))))
        .toList();
  }

  /** Trees that are the same are looked through once. */
  private List<Place> places(
      ObjectReader reader, ObjectId tree, Map<ObjectId, List<Place>> known, int depth)
      throws IOException {
    List<Place> before = known.get(tree);
    if (before != null) {
      return before;
    }
    control.cancellation().check();
    List<Place> found = new ArrayList<>();
    CanonicalTreeParser entries = new CanonicalTreeParser(null, reader, tree);
    for (; !entries.eof(); entries.next()) {
      FileMode mode = entries.getEntryFileMode();
      String name = entries.getEntryPathString();
      if (mode.equals(FileMode.GITLINK)) {
        found.add(new Place(name, entries.getEntryObjectId().name()));
      } else if (mode.equals(FileMode.TREE)) {
        if (depth >= MOST_FOLDERS) {
          gaps.add(tooMany("has folders more than " + MOST_FOLDERS + " deep"));
          continue;
        }
        for (Place one : places(reader, entries.getEntryObjectId(), known, depth + 1)) {
          found.add(new Place(name + "/" + one.path(), one.commit()));
        }
      }
      if (found.size() > MOST_LINKS) {
        gaps.add(tooMany("has more than " + MOST_LINKS + " submodules"));
        found = new ArrayList<>(found.subList(0, MOST_LINKS));
        break;
      }
    }
    known.put(tree.copy(), found.isEmpty() ? List.of() : found);
    return found;
  }

  List<Gap> gaps() {
    return List.copyOf(gaps);
  }

  /** Those that are in the backup. */
  List<Received> received() {
    return nodes.values().stream()
        .filter(node -> !node.id.isEmpty())
        .map(
            node ->
                new Received(node.id, node.label, node.mirror, List.copyOf(node.commits.keySet())))
        .toList();
  }

  /** The submodules of a commit of one that was received, or of the branch; for a document. */
  List<Document> links(String id, String commit) {
    Node node = nodes.get(id);
    List<Document> links = new ArrayList<>();
    if (node != null) {
      for (Followed one : node.commits.getOrDefault(commit, List.of())) {
        links.add(
            Document.of(
                Map.of(
                    "path", one.link().place().path(),
                    "commit", one.link().place().commit(),
                    "url", one.link().url(),
                    "name", one.link().name(),
                    "repository", one.node().filter(nodes::containsKey))));
      }
    }
    return links;
  }

  /** Only named, where they are not to be fetched. */
  void name(GitMirror root, ObjectId branch) throws IOException {
    Node top = top(root);
    List<Followed> named = new ArrayList<>();
    for (Link link : links(new Work(top, branch, "", 1))) {
      named.add(new Followed(link, Optional.empty()));
      gaps.add(
          gap(
              link.place().path(),
              "application.submodule",
              "is a repository of its own",
              "Set submodules to true, or back it up as an application of its own."));
    }
    top.commits.put(branch.name(), named);
  }

  @Override
  public void close() {
    for (Node node : nodes.values()) {
      if (!node.id.isEmpty()) {
        node.mirror.close();
      }
    }
  }
}
